// Small helps that belong to the whole lab: explanations on hover and long press, keys, column tabs.

const tip = document.createElement("div");
tip.id = "lab-tip";
tip.setAttribute("role", "tooltip");
let timer, owner;

function place(target) {
  const box = target.getBoundingClientRect();
  const own = tip.getBoundingClientRect();
  const left = Math.min(Math.max(8, box.left + box.width / 2 - own.width / 2), innerWidth - own.width - 8);
  const below = box.bottom + 8;
  const top = below + own.height < innerHeight ? below : Math.max(8, box.top - own.height - 8);
  tip.style.left = `${left}px`;
  tip.style.top = `${top}px`;
}

function show(target, delay) {
  hide();
  owner = target;
  timer = setTimeout(() => {
    if (!target.isConnected || !target.dataset.tip) return;
    tip.textContent = target.dataset.tip;
    if (!tip.isConnected) document.body.append(tip);
    place(target);
    tip.classList.add("shown");
  }, delay);
}

function hide() {
  clearTimeout(timer);
  owner = undefined;
  tip.classList.remove("shown");
}

const tipOf = (event) => event.target.closest?.("[data-tip]");
document.addEventListener("pointerover", (event) => {
  const target = tipOf(event);
  if (event.pointerType === "touch" || target === owner) return;
  target ? show(target, 450) : hide();
});
document.addEventListener("pointerdown", (event) => {
  const target = tipOf(event);
  event.pointerType === "touch" && target ? show(target, 550) : hide();
});
document.addEventListener("pointerup", (event) => event.pointerType === "touch" && clearTimeout(timer));
document.addEventListener("pointercancel", hide);
document.addEventListener("focusin", (event) => {
  const target = tipOf(event);
  if (target && event.target.matches(":focus-visible") && event.target.matches("button, a")) show(target, 450);
});
document.addEventListener("focusout", hide);
document.addEventListener("scroll", hide, true);

// Keys of the whole page. A key that a field, a menu or a dialog needs is left to it.
const typing = (node) => node?.closest?.("input, select, textarea, [contenteditable=true], .q-menu, .q-dialog");
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") hide();
  if (event.defaultPrevented || typing(event.target)) return;
  const command = event.ctrlKey || event.metaKey;
  const press = (selector) => {
    const button = document.querySelector(selector);
    if (!button || button.disabled) return;
    event.preventDefault();
    button.click();
  };
  if (command && !event.altKey && event.key.toLowerCase() === "z") press(event.shiftKey ? "[data-key=redo]" : "[data-key=undo]");
  else if (command && event.key.toLowerCase() === "y") press("[data-key=redo]");
  else if (command || event.altKey) return;
  else if (event.key === "?") press("[data-key=help]");
  else if (event.key === " " && !event.target.closest?.("button, a, [role=button], [tabindex='0']")) press("[data-key=train]");
});

// Narrow windows show one column at a time.
window.labColumn = (name) => {
  for (const tab of document.querySelectorAll(".column-tabs [role=tab]")) {
    tab.setAttribute("aria-selected", String(tab.dataset.column === name));
  }
  for (const column of document.querySelectorAll(".columns > section")) {
    column.classList.toggle("shown", column.dataset.column === name);
  }
  window.scrollTo(0, 0);
  window.dispatchEvent(new Event("resize"));
};

// Quasar's uploader does not say what its button is for; the sign is drawn anew after each file.
window.labUpload = (id, label) => {
  const upload = document.getElementById(id);
  if (!upload) return;
  const name = () => {
    for (const node of upload.querySelectorAll("a[role=button]:not([aria-label]), input:not([aria-label])")) {
      node.setAttribute("aria-label", label);
    }
  };
  name();
  new MutationObserver(name).observe(upload, { childList: true, subtree: true });
};

// Focus on an element that the server is about to draw anew.
window.labFocus = (selector) => {
  let tries = 0;
  const attempt = () => {
    const target = document.querySelector(selector);
    if (target) target.focus();
    else if (tries++ < 20) setTimeout(attempt, 25);
  };
  setTimeout(attempt, 30);
};

// The address follows the room's state, unless another room has been entered meanwhile.
window.labAddress = (address) => {
  const here = location.pathname.replace(/\/$/, "");
  if (here === "" || here === address.split("?")[0]) history.replaceState({}, "", address);
};

// Copying works on plain http, too, where browsers offer no clipboard.
window.labCopy = async (text) => {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const area = document.createElement("textarea");
    area.value = text;
    (document.querySelector(".q-dialog") || document.body).append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }
};
window.labCopyLink = async (path) => {
  await labCopy(location.origin + path);
  const label = document.querySelector(".copy-link .block");
  if (!label) return;
  const before = label.dataset.before || (label.dataset.before = label.textContent);
  label.textContent = "Copied";
  setTimeout(() => (label.textContent = before), 1500);
};
