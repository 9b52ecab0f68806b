// Pictures for a film: a program sets every pose and takes its picture; no clock is involved.

const QUALITY = 0.95;
const byName = (names, values) => Object.fromEntries(names.map((name, i) => [name, values[i]]));

export class Film {
  // `rest` returns the standing pose by joint name.
  constructor(stage, figure, rest) {
    this.stage = stage;
    this.figure = figure;
    this.rest = rest;
  }

  // From now on nobody else draws, and the avatar is all there is on the page.
  begin(view, jointNames, faceNames) {
    this.jointNames = jointNames;
    this.faceNames = faceNames;
    this.stage.renderer.setAnimationLoop(null);
    document.body.dataset.film = "true";
    this.stage.settle();
    this.figure.scene.visible = true;
    this.figure.pose(this.rest(), {});
    this.stage.look(view);
  }

  // The picture, as a data address, of positions [rad] and weights in the order of the names.
  take(positions, weights, time) {
    this.time = time;
    this.figure.pose(byName(this.jointNames, positions), byName(this.faceNames, weights));
    this.stage.draw();
    return this.stage.renderer.domElement.toDataURL("image/jpeg", QUALITY);
  }
}
