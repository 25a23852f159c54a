// Keeps a page of the report up to date: loads it again when numbers it waits for are there, and says so when newer ones are.
const root = document.querySelector("[data-state-url]");
const SOON = 2000;
const LATER = 20000;
const MOST = 120000;
let pause = root?.querySelector("progress") ? SOON : LATER;

async function tick() {
  if (!document.hidden) {
    try {
      const response = await fetch(root.dataset.stateUrl, { credentials: "same-origin" });
      if (response.redirected) return location.reload(); // Logged out meanwhile.
      if (!response.ok) throw new Error(String(response.status));
      const state = await response.json();
      const waiting = root.querySelector("progress") !== null;
      // Also when it failed: then the page says why.
      if (!state.working && waiting) return location.reload();
      if (!state.working && state.version !== root.dataset.version) {
        root.querySelector("[data-news]").hidden = false;
        return undefined;
      }
      pause = waiting || state.working ? SOON : LATER;
    } catch {
      pause = Math.min(2 * pause, MOST);
    }
  }
  return setTimeout(tick, pause);
}

if (root) setTimeout(tick, pause);
