// Keeps the page of a set up to date: asks for its state every two seconds and replaces only the
// parts that changed, so that neither focus nor scrolling nor finished thumbnails are disturbed.
const root = document.querySelector("[data-progress-url]");
const PAUSE = 2000;
const MOST = 30000;
let pause = PAUSE;

function update(markup) {
  const page = new DOMParser().parseFromString(markup, "text/html");
  for (const fresh of page.querySelectorAll("[data-part]")) {
    const part = root.querySelector(`[data-part="${CSS.escape(fresh.dataset.part)}"]`);
    if (part === null) {
      // The set has other words or contents now: the whole table is another one.
      location.reload();
      return;
    }
    keepOpen(part, fresh);
    if (part.outerHTML !== fresh.outerHTML) part.replaceWith(document.adoptNode(fresh));
  }
}

// What a person has opened or closed stays so.
function keepOpen(part, fresh) {
  const now = fresh.querySelectorAll("details");
  part.querySelectorAll("details").forEach((old, index) => {
    if (now[index]) now[index].open = old.open;
  });
}

async function tick() {
  if (!document.hidden) {
    try {
      const response = await fetch(root.dataset.progressUrl, { credentials: "same-origin" });
      if (response.redirected) return location.reload(); // Logged out meanwhile.
      if (!response.ok) throw new Error(String(response.status));
      update(await response.text());
      root.querySelector("[data-offline]").hidden = true;
      pause = root.querySelector("[data-working]") ? PAUSE : 3 * PAUSE;
    } catch {
      root.querySelector("[data-offline]").hidden = false;
      pause = Math.min(2 * pause, MOST);
    }
  }
  setTimeout(tick, pause);
}

if (root) setTimeout(tick, pause);
