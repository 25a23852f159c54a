// An answer on its way: kept on this device until the server has it, and sent until it does.

const SLOW = 400;
const TIMEOUT = 10_000;
const LONGEST_PAUSE = 30_000;

// One a participation: the address names it.
const name = () => `stylestudy:${location.pathname}`;

/** The answer that is on its way; nothing where the browser stores nothing. */
export const kept = {
  read() {
    try {
      return JSON.parse(localStorage.getItem(name()));
    } catch {
      return null;
    }
  },
  write(answer) {
    try {
      localStorage.setItem(name(), JSON.stringify(answer));
      return true;
    } catch {
      return false;
    }
  },
  /** Forget it, unless another tab has put its own there. */
  drop(key) {
    if (this.read()?.key === key) localStorage.removeItem(name());
  },
};

export function newKey() {
  // randomUUID is for secure contexts only; a study in a lab's own network may have none.
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return crypto.randomUUID?.() ?? Array.from(bytes, (b) => b.toString(16).padStart(2, "0")).join("");
}

/** Wait so long, or until the network is back. */
function pause(time) {
  return new Promise((done) => {
    const go = () => {
      clearTimeout(timer);
      removeEventListener("online", go);
      done();
    };
    const timer = setTimeout(go, time);
    addEventListener("online", go);
  });
}

/** The server's answer, or null where it is worth trying again. */
async function post(url, body) {
  const stop = new AbortController();
  const timer = setTimeout(() => stop.abort(), TIMEOUT);
  try {
    const response = await fetch(url, {
      method: "POST",
      body,
      headers: { "X-Quiz": "1" },
      signal: stop.signal,
    });
    const html = await response.text();
    const said = response.headers.get("X-Answer");
    const { status } = response;
    // Without the header it is not this study that speaks, but perhaps a hotel's login page.
    if (status >= 500 || status === 408 || status === 429 || (response.ok && said === null)) return null;
    return { status, html, said };
  } catch {
    return null;
  } finally {
    clearTimeout(timer);
  }
}

/** Send until there is an answer. `body(attempt)` makes what is sent; `say` tells the person. */
export async function send(url, body, say) {
  const slow = setTimeout(() => say("saving"), SLOW);
  for (let attempt = 1; ; attempt++) {
    const answer = await post(url, body(attempt));
    clearTimeout(slow);
    if (answer) return answer;
    say("waiting");
    const time = Math.min(1000 * 2 ** (attempt - 1), LONGEST_PAUSE);
    await pause(time * (0.5 + Math.random() / 2));
  }
}
