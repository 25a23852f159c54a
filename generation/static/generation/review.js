// Goes through a word's photographs by keyboard. The page is a plain form: this sends the same form by
// fetch, and replaces only what came back. One photograph is the current one (it has the focus); actions
// are about the selected ones, or the current one if none is selected. Attached to [data-review].

function attach(root) {
  const form = root.querySelector("[data-judge]");
  if (form === null) return;
  const grid = form.querySelector("[data-grid]");
  const bar = form.querySelector("[data-bar]");
  const reasons = form.querySelector("[data-reasons]");
  const large = form.querySelector("[data-large]");
  const said = form.querySelector("[data-said]");
  const selected = form.querySelector("[data-selected]");
  const place = document.createComment("bar");
  let current = null; // The number of a photograph: its card is replaced now and then.
  let anchor = null;
  let sending = Promise.resolve();

  const cards = () => [...grid.querySelectorAll("[data-photo]")];
  const card = (photo) => grid.querySelector(`[data-photo="${CSS.escape(String(photo))}"]`);
  const box = (of) => of.querySelector("input[type=checkbox]");
  const chosen = () => cards().filter((of) => box(of).checked);

  // --- the current photograph and the selected ones ---

  function tell() {
    const n = chosen().length;
    const text = n === 1 ? selected.dataset.one : selected.dataset.many.replace("{n}", n);
    selected.textContent = n ? text : "";
    for (const of of cards()) of.classList.toggle("selected", box(of).checked);
  }

  function moveTo(of, { focus = true } = {}) {
    if (!of) return;
    current = of.dataset.photo;
    for (const other of cards()) {
      box(other).tabIndex = other === of ? 0 : -1;
      other.querySelector("[data-open]").tabIndex = -1;
      other.classList.toggle("current", other === of);
    }
    if (large.open) show(of);
    else if (focus) {
      box(of).focus({ preventScroll: true });
      of.scrollIntoView({ block: "nearest" });
    }
  }

  function beside(step) {
    const all = cards();
    const now = all.findIndex((of) => of.dataset.photo === current);
    return all[Math.min(all.length - 1, Math.max(0, now + step))];
  }

  function columns() {
    const tops = cards().map((of) => of.offsetTop);
    const next = tops.findIndex((top) => top !== tops[0]);
    return next === -1 ? tops.length : next;
  }

  function selectRange(from, to) {
    const all = cards();
    const ends = [from, to].map((photo) => all.findIndex((of) => of.dataset.photo === photo));
    if (ends.includes(-1)) return;
    all.forEach((of, n) => (box(of).checked = n >= Math.min(...ends) && n <= Math.max(...ends)));
    tell();
  }

  function selectNone() {
    for (const of of chosen()) box(of).checked = false;
    anchor = null;
    tell();
  }

  function step(by, extend) {
    const from = current;
    moveTo(beside(by));
    if (!extend || large.open) anchor = null;
    else {
      anchor ??= from;
      selectRange(anchor, current);
    }
  }

  // --- judging ---

  function act(action) {
    const several = large.open ? [] : chosen();
    const about = several.length ? several : [card(current)].filter(Boolean);
    if (action !== "undo" && about.length === 0) return;
    const data = new FormData(form);
    data.delete("photographs");
    for (const of of about) data.append("photographs", of.dataset.photo);
    data.set("action", action);
    if (action !== "undo") {
      for (const of of about) of.classList.add("busy");
      selectNone();
      // On to the next, as long as it goes one by one.
      if (several.length === 0) moveTo(beside(1));
      else moveTo(card(current));
    }
    close(reasons);
    // One after the other: each is remembered, to be taken back in turn.
    sending = sending.then(() => send(data, action));
  }

  async function send(data, action) {
    try {
      const response = await fetch(form.getAttribute("action"), {
        method: "POST",
        body: data,
        credentials: "same-origin",
        headers: { "X-Requested-With": "fetch" },
      });
      if (response.redirected) return location.reload(); // Logged out meanwhile.
      const text = await response.text();
      if (response.ok) update(text, action);
      else report(response.status === 400 ? text : form.dataset.failed, true);
    } catch {
      report(form.dataset.failed, true);
    }
    for (const of of grid.querySelectorAll(".busy")) of.classList.remove("busy");
  }

  function report(text, problem) {
    said.textContent = text;
    said.classList.toggle("problem", problem);
  }

  function update(markup, action) {
    const page = new DOMParser().parseFromString(markup, "text/html");
    const changed = [...page.querySelectorAll("[data-photo]")].map((of) => of.dataset.photo);
    const focused = document.activeElement?.closest("[data-photo]")?.dataset.photo;
    for (const fresh of page.querySelectorAll("[data-part]")) {
      const part = root.querySelector(`[data-part="${CSS.escape(fresh.dataset.part)}"]`);
      if (part === null || part.outerHTML === fresh.outerHTML) continue;
      const checked = part.matches("[data-photo]") && box(part).checked;
      part.replaceWith(document.adoptNode(fresh));
      if (checked) box(fresh).checked = true;
    }
    report(page.querySelector("[data-new-said]").textContent, false);
    const back = action === "undo" ? changed.map(card).find(Boolean) : null;
    const again = card(current);
    moveTo(back ?? again, { focus: Boolean(back) || focused === current });
    tell();
  }

  // --- reasons ---

  function open(panel) {
    panel.open = true;
    panel.querySelector("input:checked, input")?.focus({ preventScroll: true });
  }

  function close(panel) {
    if (!panel.open) return;
    const inside = panel.contains(document.activeElement);
    panel.open = false;
    if (inside && !large.open) moveTo(card(current));
  }

  function choose(number) {
    const radio = reasons.querySelectorAll("input[type=radio]")[number - 1];
    if (!radio) return;
    radio.checked = true;
    // The last one is another reason, which has to be written.
    if (radio.value === "") reasons.querySelector("input[type=text]").focus();
    else act("leave_out");
  }

  // --- one photograph, large ---

  async function show(of) {
    const target = large.querySelector("[data-shown]");
    const wanted = of.dataset.photo;
    if (!large.open) {
      bar.replaceWith(place);
      large.append(bar);
      // Else closing it would give the focus back to this one, however far one has gone meanwhile.
      document.activeElement.blur();
      large.showModal();
      large.focus();
    }
    try {
      const response = await fetch(of.querySelector("[data-open]").dataset.open);
      if (response.redirected) return location.reload();
      if (!response.ok) throw new Error(String(response.status));
      const markup = await response.text();
      if (wanted !== current) return; // Already at another.
      const page = new DOMParser().parseFromString(markup, "text/html");
      target.replaceChildren(...page.body.children);
    } catch {
      target.replaceChildren();
      report(form.dataset.failed, true);
    }
  }

  large.addEventListener("close", () => {
    place.replaceWith(bar);
    reasons.open = false;
    moveTo(card(current));
  });
  large.querySelector("[data-close]").addEventListener("click", () => large.close());
  for (const button of large.querySelectorAll("[data-step]"))
    button.addEventListener("click", () => step(Number(button.dataset.step), false));

  // --- keys ---

  const keys = {
    ArrowLeft: (event) => step(-1, event.shiftKey),
    ArrowRight: (event) => step(1, event.shiftKey),
    ArrowUp: (event) => step(-columns(), event.shiftKey),
    ArrowDown: (event) => step(columns(), event.shiftKey),
    Home: (event) => step(-cards().length, event.shiftKey),
    End: (event) => step(cards().length, event.shiftKey),
    " ": () => {
      const of = card(current);
      if (!of || large.open) return;
      box(of).checked = !box(of).checked;
      anchor = current;
      tell();
    },
    Enter: () => {
      const of = card(current);
      if (of && !large.open) show(of);
    },
    a: () => act("accept"),
    x: () => (reasons.open ? act("leave_out") : open(reasons)),
    u: () => act("undo"),
    Escape: () => selectNone(),
  };
  const inReasons = {
    Enter: () => act("leave_out"),
    Escape: () => close(reasons),
    x: keys.x,
    ...Object.fromEntries([1, 2, 3, 4, 5].map((n) => [String(n), () => choose(n)])),
  };

  function handler(event) {
    const target = event.target;
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return null;
    if (target.matches("input[type=text]"))
      return reasons.contains(target) && ["Enter", "Escape"].includes(key) ? inReasons[key] : null;
    // Typing elsewhere in the admin is none of its business.
    if (target !== document.body && !form.contains(target)) return null;
    if (reasons.open) return inReasons[key] ?? null;
    const pressing = target.matches("button, summary, a") && [" ", "Enter"].includes(key);
    // A dialog closes by Escape itself.
    return pressing || (large.open && key === "Escape") ? null : keys[key];
  }

  document.addEventListener("keydown", (event) => {
    const handle = handler(event);
    if (!handle) return;
    event.preventDefault();
    handle(event);
  });
  // Escape closes the reasons first, not the large photograph behind them.
  large.addEventListener("cancel", (event) => {
    if (!reasons.open) return;
    event.preventDefault();
    close(reasons);
  });

  // --- pointer ---

  grid.addEventListener("click", (event) => {
    const of = event.target.closest("[data-photo]");
    if (of === null) return;
    if (event.target.matches("input")) {
      if (event.shiftKey && current) selectRange(anchor ?? current, of.dataset.photo);
      else anchor = of.dataset.photo;
      moveTo(of);
      tell();
    } else if (event.target.closest("[data-open]") && !event.ctrlKey && !event.metaKey) {
      event.preventDefault();
      moveTo(of, { focus: false });
      if (!event.shiftKey) show(of);
      else selectRange(anchor ?? of.dataset.photo, of.dataset.photo);
    }
  });
  grid.addEventListener("focusin", (event) => {
    const of = event.target.closest("[data-photo]");
    if (of && of.dataset.photo !== current) moveTo(of);
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (event.submitter?.name === "action") act(event.submitter.value);
  });
  const all = bar.querySelector("[data-all]");
  all.addEventListener("click", () => {
    const every = cards();
    const none = every.every((of) => box(of).checked);
    for (const of of every) box(of).checked = !none;
    tell();
  });
  all.hidden = false;
  bar.querySelector("[data-keys]").hidden = false;
  form.classList.add("review-ready");
  if (cards().length) moveTo(cards()[0]);
  tell();
}

document.querySelectorAll("[data-review]").forEach(attach);
