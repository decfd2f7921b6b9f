// Keys of the Compare page, and what HTML that is written anew must not lose: focus and scrolling.
(() => {
  // Only while no text field has the focus; each presses a button that is there and enabled.
  const KEYS = {
    1: "vote-left", 2: "vote-right", 3: "vote-tie", 4: "vote-both-bad", n: "next-question", u: "undo-vote",
    g: "ask-again", s: "session-skip", a: "correct-left", b: "correct-right", A: "instruct-left", B: "instruct-right",
  };
  const SWITCH = "ftchat-keys"; // which pages.js heeds, too
  const switches = () => document.querySelectorAll("[data-keys-switch]");

  const shown = (element) => element && element.offsetParent !== null && !element.disabled;
  const press = (id) => {
    const element = document.getElementById(id);
    if (!shown(element)) return false;
    element.click();
    return true;
  };
  const typing = window.ftchatTyping = (element) =>
    element && (element.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(element.tagName)) &&
    !/^(radio|checkbox|button|range)$/.test(element.type);

  // In a correction: Ctrl+Enter saves, Escape leaves.
  const editing = (event) => {
    const box = event.target.closest && event.target.closest("[id^='correction-'], [id^='instruction-']");
    if (!box) return false;
    const side = box.id.slice(box.id.indexOf("-") + 1);
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

  const writing = () => {
    const box = [...document.querySelectorAll("#compare-prompt textarea, #chat-prompt textarea")].find(shown);
    if (!box) return false;
    box.focus();
    return true;
  };

  document.addEventListener("keydown", (event) => {
    sending(event);
    if (editing(event)) { event.preventDefault(); return; }
    if (event.ctrlKey || event.metaKey || event.altKey || event.repeat || typing(document.activeElement)) return;
    if (localStorage.getItem(SWITCH) === "off") return;
    if (event.key === "/" && writing()) { event.preventDefault(); return; }
    const id = KEYS[event.key] || KEYS[event.key.toLowerCase()];
    if (id && press(id)) event.preventDefault();
  });

  document.addEventListener("change", (event) => {
    if (![...switches()].includes(event.target)) return;
    localStorage.setItem(SWITCH, event.target.checked ? "on" : "off");
    for (const one of switches()) one.checked = event.target.checked;
  });

  // A button in a piece of HTML that was pressed or focused: when the piece is written anew, its successor takes over.
  let focused = null;
  const place = (button) => {
    const root = button.closest("[id]");
    return root && { root: root.id, act: button.dataset.act, value: button.dataset.value, button };
  };
  document.addEventListener("focusin", (event) => {
    focused = event.target.dataset && event.target.dataset.act ? place(event.target) : null;
  });
  document.addEventListener("click", (event) => {
    const button = event.target.closest && event.target.closest("[data-act]");
    if (button) window.ftchatPressed = button.dataset.act;
  }, true);

  // What was unfolded stays so: by its words, where it stands, and what it belongs to.
  const unfolded = new Set();
  const fold = (details) => [
    details.closest("[id]")?.id, details.closest("[data-id]")?.dataset.id, details.querySelector("summary")?.textContent.replace(/\d+/g, ""),
  ].join("|");
  document.addEventListener("toggle", (event) => {
    if (event.target.tagName !== "DETAILS" || !event.target.isConnected) return;
    if (event.target.open) unfolded.add(fold(event.target));
    else unfolded.delete(fold(event.target));
  }, true);

  // What was scrolled stays where it was, by the name in data-keep.
  const kept = new Map();
  document.addEventListener("scroll", (event) => {
    const name = event.target.dataset && event.target.dataset.keep;
    if (name) kept.set(name, event.target.scrollTop);
  }, true);

  const restore = () => {
    if (focused && !focused.button.isConnected && (!document.activeElement || document.activeElement === document.body)) {
      const same = [...document.querySelectorAll(`#${CSS.escape(focused.root)} [data-act]`)]
        .find((one) => one.dataset.act === focused.act && one.dataset.value === focused.value);
      if (same) same.focus({ preventScroll: true });
    }
    for (const details of document.querySelectorAll("details:not([data-kept])")) {
      details.dataset.kept = "yes";
      if (unfolded.has(fold(details))) details.open = true;
    }
    for (const box of document.querySelectorAll("[data-keep]")) {
      if (box.dataset.kept) continue;
      box.dataset.kept = "yes";
      const at = kept.get(box.dataset.keep);
      if (at) box.scrollTop = at;
    }
    for (const keys of switches()) {
      if (keys.dataset.kept) continue;
      keys.dataset.kept = "yes";
      keys.checked = localStorage.getItem(SWITCH) !== "off";
    }
  };
  document.addEventListener("DOMContentLoaded", () => {
    new MutationObserver(restore).observe(document.body, {
      childList: true, subtree: true, attributeFilter: ["data-kept"], // which a piece loses that is written anew in place
    });
  });
})();
