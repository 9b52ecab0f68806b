// One timeline for what is seen and what is heard.
//
// Frames carry stamps in audio time. What is stamped s is shown, and heard, at wall time
// s + delay. The delay follows the arrivals of the motion, which comes later than the audio:
// late enough that hardly any frame misses its moment, and no later.

const MARGIN_S = 0.05; // jitter buffer beyond what the arrivals need
const WATCHED_S = 3.0; // arrivals that count for the delay
const TOO_EARLY_S = 0.25; // slack that is taken back
const TOO_LATE_S = 0.03; // lateness that is mended
const KEPT_S = 4.0; // motion kept
const RESTART_S = 0.2; // a stamp this far behind the last one begins a new stream
const SOONER_S = 0.2; // and one that comes so much sooner after its time

export class Timeline {
  constructor() {
    this.frames = [];
    this.arrivals = []; // [wall time, wall time - stamp]
    this.delay = null;
    this.spare = null; // how long before its moment the last frame came [s]
    this.changes = 0; // of the delay; who schedules by it starts anew
    this.received = 0;
  }

  clear() {
    this.frames = [];
    this.arrivals = [];
    this.delay = null;
    this.changes += 1;
  }

  push(frame, now) {
    const last = this.frames.at(-1);
    const sooner = last && now - frame.stamp < this.arrivals.at(-1)[1] - SOONER_S;
    if (sooner || (last && frame.stamp < last.stamp - RESTART_S)) this.clear();
    else if (last && frame.stamp <= last.stamp) return;
    this.frames.push(frame);
    this.received += 1;
    while (this.frames.length > 2 && this.frames[1].stamp < frame.stamp - KEPT_S) {
      this.frames.shift();
    }
    this.follow(now, now - frame.stamp);
  }

  follow(now, lateness) {
    this.spare = this.delay === null ? null : this.delay - lateness;
    this.arrivals.push([now, lateness]);
    while (this.arrivals[0][0] < now - WATCHED_S) this.arrivals.shift();
    const sorted = this.arrivals.map((entry) => entry[1]).sort((a, b) => a - b);
    const wanted = sorted[Math.floor(0.9 * (sorted.length - 1))] + MARGIN_S;
    const watchedLong = now - this.arrivals[0][0] > 0.9 * WATCHED_S;
    const missing = this.delay === null ? Infinity : wanted - this.delay;
    if (missing > TOO_LATE_S + MARGIN_S || (watchedLong && missing < -TOO_EARLY_S)) {
      this.delay = wanted;
      this.changes += 1;
    }
  }

  // The stream time that belongs to wall time `now`, or null before any motion came.
  timeAt(now) {
    return this.delay === null ? null : now - this.delay;
  }

  // The motion at stream time `time`: between two frames, or the nearest one held.
  at(time) {
    const frames = this.frames;
    if (frames.length === 0) return null;
    let next = frames.length - 1;
    while (next > 0 && frames[next - 1].stamp >= time) next -= 1;
    const b = frames[next];
    const a = frames[Math.max(next - 1, 0)];
    const share = b.stamp > a.stamp ? (time - a.stamp) / (b.stamp - a.stamp) : 1;
    const mix = Math.min(Math.max(share, 0), 1);
    const same = a.jointNames === b.jointNames && a.faceNames === b.faceNames;
    if (!same || mix === 1) return b;
    return { ...b, positions: lerp(a.positions, b.positions, mix), weights: lerp(a.weights, b.weights, mix) };
  }
}

function lerp(a, b, mix) {
  return a.map((value, index) => value + mix * (b[index] - value));
}
