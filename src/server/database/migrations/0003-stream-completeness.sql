-- What of a loss was filled with a made-up signal, and what of the audio was silent; unknown of recordings of before.
ALTER TABLE media_streams ADD COLUMN concealed_samples bigint, ADD COLUMN silent_samples bigint;
