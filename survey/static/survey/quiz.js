// Optional comfort; every page works without it. Digits choose an option, a double tap sends once.
const form = document.querySelector("[data-quiz]");
if (form) {
  const options = form.querySelectorAll("input[type=radio]");
  document.addEventListener("keydown", (event) => {
    const option = options[Number(event.key) - 1];
    if (option && !event.ctrlKey && !event.metaKey && !event.altKey) {
      option.checked = true;
      option.focus();
    }
  });
  // For a moment only: on a stalled network the participant may stop the page and tap again. The server
  // keeps the first answer, however many come.
  const pause = 3000;
  let sent = -Infinity;
  form.addEventListener("submit", (event) => {
    if (event.timeStamp - sent < pause) event.preventDefault();
    else sent = event.timeStamp;
  });
  // The page may come back from the browser's memory after "back".
  window.addEventListener("pageshow", () => {
    sent = -Infinity;
  });
}
