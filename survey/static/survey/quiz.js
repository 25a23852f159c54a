// Optional comfort; every page works without it. Digits choose an option, a second click sends nothing twice.
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
  form.addEventListener("submit", (event) => {
    if (form.dataset.sent) event.preventDefault();
    form.dataset.sent = "yes";
  });
  // The page may come back from the browser's memory after "back".
  window.addEventListener("pageshow", () => delete form.dataset.sent);
}
