// What three lip-sync packages make of speech: node peers.mjs OUT.json A.s16 B.s16 ...
//
// Each file is 16 kHz mono 16-bit PCM; beside A.s16 lies A.48k.s16, for what wants a browser's rate.
// The answer holds, for each peer and file, the visemes as
// [time_s, name] wherever they change, by the peer's own names, and the seconds it computed.

import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { basename, dirname, join } from "node:path";
import { pathToFileURL } from "node:url";

import FFT from "fft.js";
import { Rhubarb } from "rhubarb-lip-sync-wasm";

const RATE_HZ = 16000;
const BROWSER_RATE_HZ = 48000;
const POLL_HZ = 60;
const BLOCK = 128; // samples that a browser hands to an audio worklet at a time

const require = createRequire(import.meta.url);
const headaudio = join(dirname(require.resolve("@met4citizen/headaudio/package.json")), "modules");
const load = (name) => import(pathToFileURL(join(headaudio, name)).href);
const { Processor } = await load("processor.mjs");
const { Training } = await load("training.mjs");

const HEADAUDIO_NAMES = "aa E I O U PP SS TH DD FF kk nn RR CH sil".split(" ");

/** Rhubarb hears the whole recording at once; it is given no text. */
async function askRhubarb(pcm) {
  const { mouthCues } = await Rhubarb.getLipSync(pcm, {});
  return mouthCues.map((cue) => [cue.start, cue.value]);
}

/** The analyser of the Web Audio API, 1.8.1: Blackman window, smoothed magnitudes, bytes of dB. */
class Analyser {
  fftSize = 2048;
  position = 0;

  constructor(samples) {
    this.samples = samples;
    this.smoothed = new Float64Array(this.frequencyBinCount);
  }

  get frequencyBinCount() {
    return this.fftSize / 2;
  }

  getByteFrequencyData(bytes) {
    const size = this.fftSize;
    const block = Array.from({ length: size }, (_, n) => {
      const phase = (2 * Math.PI * n) / size;
      const window = 0.42 - 0.5 * Math.cos(phase) + 0.08 * Math.cos(2 * phase);
      return window * (this.samples[this.position - size + n] ?? 0);
    });
    const fft = new FFT(size);
    const spectrum = fft.createComplexArray();
    fft.realTransform(spectrum, block);
    for (let bin = 0; bin < bytes.length; bin += 1) {
      const magnitude = Math.hypot(spectrum[2 * bin], spectrum[2 * bin + 1]) / size;
      this.smoothed[bin] = 0.8 * this.smoothed[bin] + 0.2 * magnitude;
      const db = 20 * Math.log10(this.smoothed[bin]);
      bytes[bin] = Math.max(0, Math.min(255, Math.floor((255 / 70) * (db + 100))));
    }
  }
}

/** wawa-lipsync reads an analyser 60 times a second; here the audio's clock stands for the wall's. */
async function askWawa(_, file) {
  const samples = toFloat(readFileSync(file.replace(/\.s16$/, ".48k.s16")));
  const analyser = new Analyser(samples);
  const context = { sampleRate: BROWSER_RATE_HZ, createAnalyser: () => analyser };
  globalThis.window = { AudioContext: function () { return context; } };
  const { Lipsync } = await import("wawa-lipsync");
  const lips = new Lipsync();
  const clock = performance.now;
  const seen = [];
  const step = BROWSER_RATE_HZ / POLL_HZ;
  for (analyser.position = step; analyser.position <= samples.length; analyser.position += step) {
    const time = analyser.position / BROWSER_RATE_HZ;
    performance.now = () => 1000 * time;
    lips.processAudio();
    seen.push([time, lips.viseme.replace("viseme_", "")]);
  }
  performance.now = clock;
  return changes(seen);
}

/** HeadAudio's worklet, fed block by block; its visemes carry the middle of what they heard. */
async function askHeadAudio(pcm) {
  const samples = toFloat(pcm);
  const seen = [];
  const port = {
    postMessage: ({ event, t, viseme }) => {
      if (event === "viseme" && viseme !== null) seen.push([t, HEADAUDIO_NAMES[viseme]]);
      if (event === "ended") seen.push([t, "sil"]);
    },
  };
  const processor = new Processor({ sampleRate: RATE_HZ }, { port });
  processor.classifier.import(await headAudioModel());
  for (let start = 0; start < samples.length; start += BLOCK) {
    processor.process(samples.subarray(start, start + BLOCK));
  }
  return changes(seen);
}

async function headAudioModel() {
  const file = join(headaudio, "..", "dist", "model-en-mixed.bin");
  const url = `data:application/octet-stream;base64,${readFileSync(file).toString("base64")}`;
  return new Training().loadModel(url);
}

function toFloat(pcm) {
  return Float32Array.from(new Int16Array(pcm.buffer, pcm.byteOffset, pcm.length / 2), (v) => v / 32768);
}

function changes(seen) {
  return seen.filter(([, name], index) => index === 0 || name !== seen[index - 1][1]);
}

const PEERS = { "rhubarb-lip-sync": askRhubarb, "wawa-lipsync": askWawa, headaudio: askHeadAudio };

const [out, ...files] = process.argv.slice(2);
const answer = {};
for (const [name, ask] of Object.entries(PEERS)) {
  answer[name] = {};
  for (const file of files) {
    const pcm = readFileSync(file);
    const began = performance.now();
    const visemes = await ask(pcm, file);
    answer[name][basename(file, ".s16")] = { seconds: (performance.now() - began) / 1000, visemes };
  }
  console.error(`${name}: ${files.length} files`);
}
writeFileSync(out, JSON.stringify(answer));
