// How much is drawn: as much as the graphics card has time for.

// From everything to what is left at last: pixels drawn for each of the page's, and shadows.
const LEVELS = [
  { pixels: 2, shadows: true },
  { pixels: 1.25, shadows: true },
  { pixels: 1, shadows: true },
  { pixels: 1, shadows: false },
  { pixels: 0.6, shadows: false }, // no longer sharp
];
const FAST_S = 1 / 50; // pictures that come so soon are left as they are
const SLOW_S = 1 / 24; // that come later may be unsharp
const HELPS = 0.9; // of the time before: else something other than drawing takes it
const WATCHED_S = 3; // or as long as 60 pictures take, but not fewer than 12
const MOST_PICTURES = 60;
const FEWEST_PICTURES = 12;
const HITCHES = 0.1; // of them do not count: a picture drawn otherwise takes long the first time

export class Detail {
  // `pixelRatio`: how many pixels the screen has for each of the page's. `fixed`: simple for good.
  constructor(pixelRatio, fixed = false) {
    const levels = LEVELS.map(({ pixels, shadows }) => ({ pixels: Math.min(pixels, pixelRatio), shadows }));
    this.levels = levels.filter((level, k) => {
      const before = levels[k - 1];
      return level.pixels !== before?.pixels || level.shadows !== before.shadows;
    });
    this.level = fixed ? this.levels.length - 1 : 0;
    this.fixed = fixed;
    this.changed = false; // and not judged since
    this.first = Infinity; // seconds a picture took with everything in it
    this.times = [];
  }

  get now() {
    return this.levels[this.level];
  }

  // From now on everything is drawn, however long it takes.
  settle() {
    this.level = 0;
    this.fixed = true;
  }

  // What was seen so far counts no longer.
  forget() {
    this.times = [];
  }

  // Told when a picture is drawn [s], return whether the next ones are to be drawn otherwise.
  watch(time) {
    if (this.fixed) return false;
    this.times.push(time);
    const pictures = this.times.length - 1;
    if (pictures < FEWEST_PICTURES || (pictures < MOST_PICTURES && time - this.times[0] < WATCHED_S)) return false;
    const durations = this.times.slice(1).map((end, k) => end - this.times[k]);
    this.forget();
    const counted = durations.sort((a, b) => a - b).slice(0, -Math.ceil(HITCHES * pictures));
    return this.judge(counted.reduce((sum, duration) => sum + duration) / counted.length);
  }

  // Told how long a picture takes [s], change the level; return whether it did.
  judge(duration) {
    const { level, changed } = this;
    const simplest = this.levels.length - 1;
    if (level === 0) this.first = duration;
    const enough = level < simplest - 1 ? FAST_S : SLOW_S;
    if (duration > enough && level < simplest) this.level += 1;
    // A screen of 30 pictures a second shows no more, however simple they are.
    else if (changed && duration > FAST_S && duration > HELPS * this.first) this.settle();
    this.changed = this.level !== level;
    return this.changed;
  }
}
