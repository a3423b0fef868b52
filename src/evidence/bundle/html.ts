import { printable } from '../words.ts'

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}

/** Text for an element or a quoted attribute. Names come from strangers: nothing of them is ever markup, nor turns the direction of writing round. */
export function escapeHtml(text: string): string {
  return printable(text).replaceAll(/[&<>"']/g, (character) => ENTITIES[character] ?? '')
}

export function paragraphs(texts: readonly string[]): string {
  return texts.map((text) => `<p>${escapeHtml(text)}</p>\n`).join('')
}

export function bullets(texts: readonly string[]): string {
  return texts.length === 0 ? '' : `<ul>\n${texts.map((text) => `<li>${escapeHtml(text)}</li>\n`).join('')}</ul>\n`
}

/** A table of texts; the first cell of each row is its heading. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const heading =
    head.length === 0 ? '' : `<tr>${head.map((cell) => `<th scope="col">${escapeHtml(cell)}</th>`).join('')}</tr>\n`
  const body = rows.map(([first = '', ...cells]) => {
    const rest = cells.map((cell) => `<td>${escapeHtml(cell)}</td>`).join('')
    return `<tr><th scope="row">${escapeHtml(first)}</th>${rest}</tr>\n`
  })
  return `<table>\n${heading}${body.join('')}</table>\n`
}

/**
 * A page that stands alone: no script, nothing fetched, not even by a reader that ignores the policy, since it names nothing to fetch.
 * `body` is markup made by the functions above.
 */
export function page(title: string, body: string): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(title)}</title>
<style>
body { font: 1rem/1.5 Georgia, "Times New Roman", serif; max-width: 48rem; margin: 2rem auto; padding: 0 1rem; color: #1a1a1a; background: #fff }
h1 { font-size: 1.6rem } h2 { font-size: 1.2rem; margin-top: 2rem; border-bottom: 1px solid #bbb } h3 { font-size: 1rem }
table { border-collapse: collapse; width: 100%; margin: 0.5rem 0 } th, td { border: 1px solid #bbb; padding: 0.3rem 0.6rem; text-align: left; vertical-align: top; overflow-wrap: anywhere }
th[scope=row] { width: 30% } .verdict { border: 2px solid #1a1a1a; padding: 0.5rem 1rem; font-weight: bold }
@media print { body { margin: 0; max-width: none } h2 { break-after: avoid } }
</style>
</head>
<body>
${body}</body>
</html>
`
}
