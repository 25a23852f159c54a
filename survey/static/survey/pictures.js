// Pictures of a question are shown together; those of the next questions are fetched ahead.

async function settled(picture) {
  try {
    await picture.decode();
    return "painted";
  } catch {
    // No decode(), or it refused: that it was loaded is the next best.
    if (!picture.complete) {
      await new Promise((done) => {
        picture.onload = picture.onerror = done;
      });
    }
    return picture.naturalWidth ? "loaded" : "failed";
  }
}

/** What may be said of all pictures: "painted", "loaded" or "failed". */
export async function settle(pictures) {
  const kinds = await Promise.all(pictures.map(settled));
  return ["failed", "loaded"].find((kind) => kinds.includes(kind)) ?? "painted";
}

const frame = () => new Promise(requestAnimationFrame);

/** The time when what was changed just now is on the screen: before the second frame the first is painted. */
export async function painted() {
  await frame();
  await frame();
  return performance.now();
}

let coming = new Map();

/** Held on to, so that they stay decoded until they are needed. */
export function fetchAhead(addresses) {
  coming = new Map(
    addresses.map((address) => {
      const picture = coming.get(address) ?? new Image();
      if (!picture.src) picture.src = address;
      picture.decode?.().catch(() => {});
      return [address, picture];
    }),
  );
}

/** Buttons that show a picture at its natural size, never larger, where that is more than the page shows. */
export function enlargeable(form, opened) {
  const dialog = document.querySelector("dialog[data-enlarged]");
  if (!dialog?.showModal) return;
  for (const button of form.querySelectorAll("[data-enlarge]")) {
    const picture = button.parentElement.querySelector("img");
    button.hidden = picture.naturalWidth < picture.width * 1.1;
    button.onclick = () => {
      const large = dialog.querySelector("img");
      large.src = picture.src;
      large.alt = picture.alt;
      large.width = picture.naturalWidth;
      large.height = picture.naturalHeight;
      opened();
      dialog.showModal();
    };
  }
  dialog.onclick = () => dialog.close();
}
