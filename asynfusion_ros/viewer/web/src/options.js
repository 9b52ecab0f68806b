// What the page's address may ask for; docs/viewer.md lists it.

const CHOICES = {
  show: ["human", "robot"],
  frame: ["bust", "face", "body"],
  quality: ["auto", "high", "low"],
  subtitles: ["on", "off"],
  sound: ["on", "off"],
};
const BACKGROUNDS = ["studio", "dark", "light", "transparent"];

// Return the options of an address' query; what is not understood keeps its default.
export function readOptions(query) {
  const given = new URLSearchParams(query);
  const choose = (name) => (CHOICES[name].includes(given.get(name)) ? given.get(name) : CHOICES[name][0]);
  const background = given.get("background") ?? "studio";
  const color = /^[0-9a-f]{6}$/i.test(background) ? `#${background}` : null;
  return {
    look: given.get("look"),
    dev: given.has("dev") && given.get("dev") !== "0",
    background: color ?? (BACKGROUNDS.includes(background) ? background : "studio"),
    show: choose("show"),
    frame: choose("frame"),
    quality: choose("quality"),
    subtitles: choose("subtitles") === "on",
    sound: choose("sound") === "on",
  };
}
