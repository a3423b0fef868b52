/** What the recorder's Node is started with. */
export const NODE_FLAGS: readonly string[]
