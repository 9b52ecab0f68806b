// Plays audio chunks on the timeline once the visitor has allowed sound.

const KEPT_S = 120; // audio that may wait (speech synthesis comes faster than time)
const AHEAD_S = 0.6; // scheduled this far ahead
const FADE_S = 0.02; // how fast sound that is interrupted falls silent
const MOST_HUSHED = 1000; // numbers come again after 65536
const GAPLESS_S = 0.03; // a chunk this close to the end of the last one follows it without a gap

export class Sound {
  constructor() {
    this.context = null;
    this.chunks = [];
    this.playing = new Map(); // sources and their chunks, until they end
    this.hushed = new Set(); // numbers of sounds that were interrupted
    this.end = 0; // context time at which the last scheduled chunk ends
    this.changes = -1;
    this.muted = false;
    this.played = 0;
    this.shift = null; // context time minus stamp of what was scheduled last
  }

  get unlocked() {
    return this.context !== null && this.context.state === "running";
  }

  // Must be called from a click or key.
  async unlock() {
    this.context ??= new AudioContext({ latencyHint: "interactive" });
    await this.context.resume();
  }

  push(chunk) {
    if (this.hushed.has(chunk.sound)) return;
    const last = this.chunks.at(-1);
    if (last && chunk.stamp < last.stamp) this.chunks = [];
    this.chunks.push(chunk);
    while (this.chunks[0].stamp < chunk.stamp - KEPT_S) this.chunks.shift();
  }

  clear() {
    this.chunks = [];
    this.hushed.clear();
    this.stop();
  }

  // Nothing more is heard of the sound of this number.
  hush(sound) {
    this.hushed.add(sound);
    if (this.hushed.size > MOST_HUSHED) this.hushed.delete(this.hushed.values().next().value);
    this.chunks = this.chunks.filter((chunk) => chunk.sound !== sound);
    this.stop((chunk) => chunk.sound === sound);
  }

  // End what plays, all of it or the chunks that `which` names.
  stop(which = () => true) {
    for (const [source, chunk] of this.playing) {
      if (!which(chunk)) continue;
      const now = this.context.currentTime;
      source.fader.gain.setTargetAtTime(0, now, FADE_S / 4);
      source.stop(now + FADE_S);
      this.playing.delete(source);
    }
    if (this.playing.size === 0) this.end = 0;
  }

  // How far the face shown is ahead of the sound that leaves the loudspeaker [s], or null.
  offset(timeline, now) {
    if (!this.unlocked || this.shift === null || this.playing.size === 0) return null;
    const { contextTime, performanceTime } = this.context.getOutputTimestamp();
    const heard = contextTime + now - performanceTime / 1000 - this.shift;
    return timeline.timeAt(now) - heard;
  }

  // Schedule what belongs to the next moments; `now` is wall time.
  schedule(timeline, now) {
    const time = timeline.timeAt(now);
    if (time === null) return;
    if (timeline.changes !== this.changes) {
      this.changes = timeline.changes;
      this.chunks.unshift(...this.playing.values());
      this.stop();
    }
    while (this.chunks.length && this.chunks[0].stamp < time + AHEAD_S) {
      const chunk = this.chunks.shift();
      if (this.unlocked && !this.muted) this.play(chunk, chunk.stamp - time);
    }
  }

  play(chunk, waitS) {
    const context = this.context;
    const latency = context.outputLatency || context.baseLatency || 0;
    let start = context.currentTime + waitS - latency;
    if (Math.abs(start - this.end) < GAPLESS_S) start = this.end;
    const duration = chunk.samples.length / chunk.rate;
    const skip = Math.max(context.currentTime - start, 0);
    if (skip >= duration || duration === 0) return;
    const buffer = context.createBuffer(1, chunk.samples.length, chunk.rate);
    buffer.getChannelData(0).set(Float32Array.from(chunk.samples, (value) => value / 32768));
    const source = new AudioBufferSourceNode(context, { buffer });
    source.fader = context.createGain();
    source.connect(source.fader).connect(context.destination);
    source.onended = () => this.playing.delete(source);
    source.start(start + skip, skip);
    this.playing.set(source, chunk);
    this.end = start + duration;
    this.shift = start - chunk.stamp;
    this.played += 1;
  }
}
