// Keys of Compare, what is half written, and what HTML that is written anew must not lose: focus and scrolling.
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

  // By these presses a page goes on to something else, or an editor to another answer. What is half written there is
  // thrown away only when whoever pressed says so.
  const ACTS = ["open", "try", "skip", "go-on", "sibling", "regenerate", "correct", "fix", "edit", "compare"];
  const LEAVING = [
    "#next-question", "#compare-new", "#compare-send", "#chat-new", "#chat-send", "#session-start", "#session-leave",
    "#session-end", ...ACTS.map((act) => `[data-act="${act}"]`),
  ].join(", ");
  const words = (text) => text.replace(/\s+/g, " ").trim();
  const halfWritten = (pressed) => { // what of the page says that an editor is open whose text is another one by now
    const onCompare = pressed.dataset.act === "compare"; // wherever that is pressed
    const page = onCompare ? document.querySelector("#tab-compare") : pressed.closest("[role=tabpanel]");
    return page && [...page.querySelectorAll("[data-open]")].find((open) => {
      const text = open.closest("[id^='fix-']").querySelector("[id^='correction-'] textarea");
      return words(text.value) !== words(open.dataset.open);
    });
  };
  const halt = (event) => { event.preventDefault(); event.stopImmediatePropagation(); };
  document.addEventListener("click", (event) => {
    const pressed = event.target.closest && event.target.closest(LEAVING);
    const open = pressed && halfWritten(pressed);
    if (open && !window.confirm(open.dataset.leave)) halt(event);
  }, true);

  // In a correction: Ctrl+Enter saves, Escape leaves; but what is pressed while an input method composes is for that.
  const editing = (event) => {
    if (event.isComposing) return false;
    const box = event.target.closest && event.target.closest("[id^='correction-'], [id^='instruction-']");
    if (!box) return false;
    const side = box.id.slice(box.id.indexOf("-") + 1);
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) return press(`save-${side}`);
    if (event.key === "Escape") return press(`cancel-${side}`);
    return false;
  };

  // After Enter the question is on its way: the next key is a vote, not text.
  const asks = (event) =>
    event.key === "Enter" && !event.shiftKey && !event.isComposing && event.target.closest &&
    event.target.closest("#compare-prompt, #chat-prompt");
  const sending = (event) => {
    const prompt = asks(event);
    if (prompt && prompt.id === "compare-prompt") setTimeout(() => event.target.blur(), 0);
  };
  document.addEventListener("keydown", (event) => {
    const prompt = asks(event);
    if (!prompt || !halfWritten(prompt)) return;
    halt(event);
    sending(event);
    press(prompt.id.replace("prompt", "send")); // which asks first
  }, true);

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
