// Keys of the Compare page. Only while no text field has the focus; each presses a button that is there and enabled.
(() => {
  const votes = { 1: "vote-left", 2: "vote-right", 3: "vote-tie", 4: "vote-both-bad", n: "next-question" };

  const shown = (element) => element && element.offsetParent !== null && !element.disabled;
  const press = (id) => {
    const element = document.getElementById(id);
    if (!shown(element)) return false;
    element.click();
    return true;
  };
  const typing = (element) =>
    element && (element.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(element.tagName)) &&
    !/^(radio|checkbox|button)$/.test(element.type);

  // In a correction: Ctrl+Enter saves, Escape leaves.
  const editing = (event) => {
    const box = event.target.closest && event.target.closest("[id^='correction-']");
    if (!box) return false;
    const side = box.id.slice("correction-".length);
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) return press(`save-${side}`);
    if (event.key === "Escape") return press(`cancel-${side}`);
    return false;
  };

  // After Enter the question is on its way: the next key is a vote, not text.
  const sending = (event) => {
    const sends = event.key === "Enter" && !event.shiftKey && !event.isComposing;
    if (sends && event.target.closest && event.target.closest("#compare-prompt")) {
      setTimeout(() => event.target.blur(), 0);
    }
  };

  document.addEventListener("keydown", (event) => {
    sending(event);
    if (editing(event)) { event.preventDefault(); return; }
    if (event.ctrlKey || event.metaKey || event.altKey || event.repeat || typing(document.activeElement)) return;
    const id = votes[event.key.toLowerCase()];
    if (id && press(id)) event.preventDefault();
  });
})();
