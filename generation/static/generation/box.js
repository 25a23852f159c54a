// Draws a box on a photograph. The four number fields are the truth: dragging writes them, and what is
// typed there is drawn. Attached to [data-box], whose value names the fields: left, top, right, bottom.
function attach(figure) {
  const inputs = figure.dataset.box.split(" ").map((name) => document.querySelector(`[name="${name}"]`));
  if (inputs.includes(null)) return;
  const size = [Number(figure.dataset.boxWidth), Number(figure.dataset.boxHeight)];
  const image = figure.querySelector("img");
  const outline = figure.querySelector("[data-box-outline]");
  let start = null;

  function draw() {
    const box = inputs.map((input) => (input.value === "" ? NaN : Number(input.value)));
    outline.hidden = !(box[0] < box[2] && box[1] < box[3]);
    if (outline.hidden) return;
    // In percent, so that it stays where it is when the photograph is shown larger or smaller.
    ["left", "top", "right", "bottom"].forEach((side, n) => {
      const share = (100 * box[n]) / size[n % 2];
      outline.style[side] = `${n < 2 ? share : 100 - share}%`;
    });
  }

  function pixel(event) {
    const frame = image.getBoundingClientRect();
    const shares = [
      (event.clientX - frame.left) / frame.width,
      (event.clientY - frame.top) / frame.height,
    ];
    return shares.map((share, n) => Math.round(Math.min(1, Math.max(0, share)) * size[n]));
  }

  function stretch(event) {
    if (start === null) return;
    const end = pixel(event);
    const box = [0, 1].map((n) => Math.min(start[n], end[n]));
    box.push(...[0, 1].map((n) => Math.max(start[n], end[n])));
    // A mere click is no box.
    if (box[0] === box[2] || box[1] === box[3]) return;
    inputs.forEach((input, n) => (input.value = box[n]));
    draw();
  }

  figure.addEventListener("pointerdown", (event) => {
    if (!event.isPrimary || event.button !== 0) return;
    event.preventDefault();
    figure.setPointerCapture(event.pointerId);
    start = pixel(event);
  });
  figure.addEventListener("pointermove", stretch);
  figure.addEventListener("pointerup", (event) => {
    stretch(event);
    start = null;
  });
  figure.addEventListener("pointercancel", () => (start = null));
  inputs.forEach((input) => input.addEventListener("input", draw));
  figure.classList.add("box-ready");
  const hint = figure.parentElement.querySelector("[data-box-hint]");
  if (hint) hint.hidden = false;
  draw();
}

document.querySelectorAll("[data-box]").forEach(attach);
