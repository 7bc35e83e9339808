"use strict";
// The viewer of a scan's page: one or two panes of NiiVue on the same place. It loads the two files that the page names
// when it is opened, and nothing else.
const viewer = document.querySelector("#viewer"), tell = text => { viewer.querySelector("#told").textContent = text; };
const panes = [], overlays = viewer.querySelector("#overlay"), opacity = viewer.querySelector("#opacity"), planes = viewer.querySelector("#planes");
const NO_VALUE = -32768, YELLOW = [1, 0.83, 0, 0.9];  // the first as recon/check/viewer.py has it
let images = null;
const further = [];  // overlays of files that a run may lack
function showImages(found) { images = found; }
function showOverlay(found) { further.push(found); }

const hasWebGL2 = () => Boolean(document.createElement("canvas").getContext("webgl2"));
const load = name => new Promise((done, failed) => {
  const script = document.createElement("script");
  script.src = name;
  script.onload = done;
  script.onerror = () => failed(new Error(`${name} is not beside this page: copy the folder “viewer” with it`));
  document.head.append(script);
});
const options = (select, titles) => select.replaceChildren(...titles.map((title, index) => new Option(title, index)));
const signed = text => text.replace("-", "−");
const decimals = step => Math.max(0, Math.ceil(-Math.log10(step)));
const rgb = colour => [1, 3, 5].map(at => parseInt(colour.slice(at, at + 2), 16));

// NiiVue counts some voxels in the order of the file and others in that of the body: here it is always the file's.
function voxelAt(header, mm) {  // the axes of the affine are perpendicular
  return [0, 1, 2].map(axis => {
    const edge = [0, 1, 2].map(row => header.affine[row][axis]), moved = mm.map((x, row) => x - header.affine[row][3]);
    const along = edge.reduce((sum, x, row) => sum + x * moved[row], 0) / edge.reduce((sum, x) => sum + x * x, 0);
    return Math.min(Math.max(Math.round(along), 0), header.dims[axis + 1] - 1);
  });
}
const placeOf = (header, voxel) => [0, 1, 2].map(row => voxel.reduce((sum, at, axis) => sum + header.affine[row][axis] * at, header.affine[row][3]));
function neighbour(header, voxel, [axis, sign]) {  // the next voxel towards the right (0), front (1) or top (2) of the body
  const share = [0, 1, 2].map(j => header.affine[axis][j] / Math.hypot(...[0, 1, 2].map(row => header.affine[row][j])));
  const along = share.reduce((best, x, j) => Math.abs(x) > Math.abs(share[best]) ? j : best, 0), next = [...voxel];
  next[along] = Math.min(Math.max(next[along] + sign * Math.sign(share[along]), 0), header.dims[along + 1] - 1);
  return next;
}
const pixel = (volume, [x, y, z]) => volume.img[x + volume.hdr.dims[1] * (y + volume.hdr.dims[2] * z)];

function coloured(overlay) {  // 0 is clear
  const labels = Object.keys(overlay.names), colours = labels.map(label => rgb(overlay.colours[label]));
  const table = {R: [0], G: [0], B: [0], A: [0], I: [0], labels: [""]};
  labels.forEach((label, at) => {
    ["R", "G", "B"].forEach((part, i) => table[part].push(colours[at][i]));
    table.A.push(255); table.I.push(Number(label)); table.labels.push(overlay.names[label]);
  });
  return table;
}

async function image(layer, shown) {
  return niivue.NVImage.loadFromBase64({base64: layer.nifti, name: "image.nii.gz", ...shown});
}
async function over(overlay) {
  const shown = {opacity: Number(opacity.value), colorbarVisible: false}, {largest} = overlay;
  if (overlay.names) {
    const labels = await image(overlay, shown);
    labels.setColormapLabel(coloured(overlay));
    return labels;
  }
  const least = largest / 10;  // about zero it is clear
  const values = await image(overlay, {...shown, colormap: "warm", colormapNegative: "winter", cal_min: least, cal_max: largest});
  [values.cal_min, values.cal_max, values.cal_minNeg, values.cal_maxNeg] = [least, largest, -largest, -least];
  return values;
}
function underCrosshair(overlay, value) {
  if (overlay.names) return overlay.names[value];
  return value ? `${overlay.title} ${signed(value.toFixed(3))} ${overlay.unit}` : "";
}

class Pane {
  constructor(figure, first) {
    this.figure = figure;
    this.find = name => figure.querySelector(`.${name}`);
    this.map = this.find("map");
    options(this.map, images.layers.map(layer => `${layer.title} [${layer.unit}] ${layer.caption.match(/TE [\d.]+ ms/) ?? ""}`.trim()));
    this.map.value = first;
    this.map.addEventListener("change", () => this.show());
    for (const name of ["low", "high"]) this.find(name).addEventListener("change", () => this.window());
    this.find("reset").addEventListener("click", () => this.window(this.layer.window));
    this.canvas = this.find("slices");
    this.canvas.addEventListener("keydown", event => this.key(event));
  }

  async start() {
    this.nv = new niivue.Niivue({
      isRadiologicalConvention: true, sagittalNoseLeft: true, isNearestInterpolation: true, isForceMouseClickToVoxelCenters: true, multiplanarShowRender: 0, multiplanarPadPixels: 10,
      isColorbar: true, fontColor: YELLOW, showAllOrientationMarkers: true, crosshairColor: YELLOW, crosshairWidthUnit: "mm", crosshairWidth: 0.7, crosshairGap: 4, loadingText: "",
      logLevel: "error", dragAndDropEnabled: false, clipPlaneHotKey: "", cycleClipPlaneHotKey: "", viewModeHotKey: ""});
    await this.nv.attachToCanvas(this.canvas);
    this.nv.setSliceType(Number(planes.value));
    this.nv.onLocationChange = () => this.read();
    this.nv.onIntensityChange = () => this.windowIs();
    await this.show();
  }

  get layer() { return images.layers[this.map.value]; }

  async show() {
    const {layer, nv} = this, [low, high] = layer.window, place = nv.volumes.length ? [...nv.scene.crosshairPos] : [0.5, 0.5, 0.5];
    const main = await image(layer, {cal_min: low, cal_max: high, trustCalMinMax: false});
    const overlay = images.overlays[overlays.value - 1], above = overlay && await over(overlay);
    if (layer !== this.layer || overlay !== images.overlays[overlays.value - 1]) return;  // another was chosen meanwhile
    nv.volumes = [];
    for (const volume of [main, above]) if (volume) nv.addVolume(volume);
    [main.cal_min, main.cal_max] = layer.window;
    nv.updateGLVolume();
    this.goTo(place);
    this.windowIs();
    this.canvas.setAttribute("aria-label", `${layer.title}: three planes. Arrow keys, page up and page down move the crosshair.`);
  }

  place() { return Array.from(this.nv.frac2mm(this.nv.scene.crosshairPos)).slice(0, 3); }  // mm

  goTo(place) {
    this.nv.scene.crosshairPos = place;
    this.nv.drawScene();
    this.read();
  }

  window(limits = ["low", "high"].map(name => Number(this.find(name).value))) {
    const [main] = this.nv.volumes;
    if (limits[0] < limits[1]) {
      [main.cal_min, main.cal_max] = limits;
      this.nv.updateGLVolume();
    }
    this.windowIs();
  }

  windowIs() {
    const [main] = this.nv.volumes;
    ["low", "high"].forEach((name, at) => { this.find(name).value = Number((at ? main.cal_max : main.cal_min).toPrecision(4)); });
    this.find("unit").textContent = this.layer.unit;
  }

  read() {  // the value under the crosshair, as the file has it
    const {layer, nv} = this, [main, above] = nv.volumes;
    if (!main) return;
    const mm = this.place(), voxel = voxelAt(main.hdr, mm);
    const stored = pixel(main, voxel), overlay = images.overlays[overlays.value - 1];
    const name = above && overlay && underCrosshair(overlay, pixel(above, voxel));
    const written = (step, unit) => `${signed((step * stored).toFixed(decimals(step)))} ${unit}`;
    const hz = layer.hz_per_unit ? ` = ${written(layer.hz_per_unit * layer.step, "Hz")}` : "";
    this.find("value").textContent = stored === NO_VALUE ? "no value here" : written(layer.step, layer.unit) + hz;
    const at = voxel.map((index, axis) => index + images.first_voxel[axis]);
    this.find("place").textContent = `${name ? name + " · " : ""}voxel ${at.join(", ")} · x, y, z ${mm.map(x => signed((Math.round(10 * x) / 10 + 0).toFixed(1))).join(", ")} mm`;
  }

  key(event) {
    const steps = {ArrowLeft: [0, 1], ArrowRight: [0, -1], ArrowUp: [1, 1], ArrowDown: [1, -1], PageUp: [2, 1], PageDown: [2, -1]};
    if (!(event.key in steps) || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    const {hdr} = this.nv.volumes[0], here = voxelAt(hdr, this.place());  // the patient's right is on the left
    for (const pane of panes) pane.goTo(this.nv.mm2frac(placeOf(hdr, neighbour(hdr, here, steps[event.key]))));
  }
}

async function open() {
  const button = viewer.querySelector("#open");
  button.disabled = true;
  tell("Loading the images …");
  try {
    await Promise.all([load(viewer.dataset.images), window.niivue || load(viewer.dataset.program)]);
    if (!images) throw new Error(`${viewer.dataset.images} holds no images`);
    await Promise.all(viewer.dataset.further.split(" ").map(name => load(name).catch(() => {})));
    images.overlays.push(...further.sort((a, b) => a.title.localeCompare(b.title)));
    options(overlays, ["nothing", ...images.overlays.map(overlay => overlay.title)]);
    viewer.querySelector("#inside").hidden = false;
    for (const [index, figure] of viewer.querySelectorAll("figure").entries()) {
      const pane = new Pane(figure, Math.min(index, images.layers.length - 1));
      await pane.start();
      panes.push(pane);
    }
    for (const pane of panes) pane.nv.broadcastTo(panes.filter(other => other !== pane).map(other => other.nv), {"2d": true, crosshair: true});
    button.parentElement.hidden = true;
    tell("The viewer is open: click or drag to move the crosshair, turn the wheel to scroll.");
  } catch (problem) {
    viewer.querySelector("#inside").hidden = true;
    button.disabled = false;
    tell(`The viewer cannot be shown: ${problem.message}. The pictures above show the same maps.`);
  }
}

viewer.querySelector("#open").addEventListener("click", open);
overlays.addEventListener("change", () => panes.forEach(pane => pane.show()));
planes.addEventListener("change", () => panes.forEach(pane => pane.nv.setSliceType(Number(planes.value))));
opacity.addEventListener("input", () => panes.forEach(pane => { if (pane.nv.volumes[1]) pane.nv.setOpacity(1, Number(opacity.value)); }));
if (!hasWebGL2()) {
  viewer.querySelector("#open").parentElement.hidden = true;
  tell("The viewer needs WebGL 2, which this browser does not offer here: the pictures above show the same maps.");
}
