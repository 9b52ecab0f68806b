// What is being said, at the foot of the page, for as long as it takes to read.

const PER_CHARACTER_MS = 70;
const LEAST_MS = 2500;
const MOST_CHARACTERS = 300;

export class Subtitles {
  constructor(element, wanted) {
    this.element = element;
    this.wanted = wanted;
    this.timer = null;
  }

  // An empty text takes the last one away.
  show(text) {
    if (!this.wanted) return;
    clearTimeout(this.timer);
    const short = text.length > MOST_CHARACTERS ? `${text.slice(0, MOST_CHARACTERS)}…` : text;
    this.element.textContent = short;
    this.element.hidden = short.trim() === "";
    const lasting = Math.max(PER_CHARACTER_MS * short.length, LEAST_MS);
    this.timer = setTimeout(() => this.show(""), lasting);
  }
}
