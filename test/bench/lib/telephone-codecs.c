/*
 * Sends speech through a telephone codec that FFmpeg cannot encode, frame by frame: 8 kHz 16-bit samples from stdin to stdout.
 *
 *     telephone-codecs g729|amr
 *
 * G.729 by libbcg729, AMR-NB at 12.2 kbit/s by libopencore-amrnb; their few functions are declared here, so that no headers are needed.
 */
#include <stdint.h>
#include <stdio.h>
#include <string.h>

void *initBcg729EncoderChannel(uint8_t enableVad);
void bcg729Encoder(void *encoder, const int16_t samples[80], uint8_t bits[10], uint8_t *length);
void *initBcg729DecoderChannel(void);
void bcg729Decoder(void *decoder, const uint8_t bits[10], uint8_t length, uint8_t isErased, uint8_t isSid, uint8_t isRtp, int16_t samples[80]);

void *Encoder_Interface_init(int dtx);
int Encoder_Interface_Encode(void *encoder, int mode, const short *samples, unsigned char *bits, int force);
void *Decoder_Interface_init(void);
void Decoder_Interface_Decode(void *decoder, const unsigned char *bits, short *samples, int isBad);

enum { G729_SAMPLES = 80, AMR_SAMPLES = 160, AMR_MODE_12_2 = 7 };

int main(int count, char **words) {
  int is_g729 = count == 2 && strcmp(words[1], "g729") == 0;
  if (!is_g729 && (count != 2 || strcmp(words[1], "amr") != 0)) return 2;
  void *encoder = is_g729 ? initBcg729EncoderChannel(0) : Encoder_Interface_init(0);
  void *decoder = is_g729 ? initBcg729DecoderChannel() : Decoder_Interface_init();
  if (encoder == NULL || decoder == NULL) return 1;
  size_t samples_per_frame = is_g729 ? G729_SAMPLES : AMR_SAMPLES;
  int16_t samples[AMR_SAMPLES];
  uint8_t bits[64];
  for (;;) {
    memset(samples, 0, sizeof samples);
    size_t read = fread(samples, sizeof samples[0], samples_per_frame, stdin);
    if (read == 0) return 0;
    if (is_g729) {
      uint8_t length = 0;
      bcg729Encoder(encoder, samples, bits, &length);
      bcg729Decoder(decoder, bits, length, 0, 0, 0, samples);
    } else {
      Encoder_Interface_Encode(encoder, AMR_MODE_12_2, samples, bits, 0);
      Decoder_Interface_Decode(decoder, bits, samples, 0);
    }
    if (fwrite(samples, sizeof samples[0], read, stdout) != read) return 1;
  }
}
