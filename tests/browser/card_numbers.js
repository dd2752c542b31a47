// All numbers that a card shows, in full and as they are written.
(card) => {
  const all = (place, role) => [...place.querySelectorAll(`[data-role=${role}]`)].filter((el) => !el.closest("[hidden]"));
  const values = (place, role) => all(place, role).filter((el) => el.dataset.value).map((el) => +el.dataset.value);
  const texts = (place, role) => all(place, role).map((el) => el.textContent.replace("−", "-"));
  const tables = [...card.querySelectorAll("[data-role=entry], [data-role=contributions]")];
  const part = (place) => ({
    value: values(place, "value"), weight: values(place, "weight"), product: values(place, "product"),
    product_text: texts(place, "product"), sum: values(place, "map-sum"), sum_text: texts(place, "map-sum"),
    rest: values(place, "rest"), padded: place.querySelectorAll(".cl-padded").length,
  });
  const account = card.querySelector(".cl-account");
  return {
    tables: tables.map(part),
    map_sums: [...card.querySelectorAll(".cl-row [data-role=map-sum]")].map((el) => +el.dataset.value),
    map_sums_text: [...card.querySelectorAll(".cl-row [data-role=map-sum]")].map((el) => el.textContent.replace("−", "-")),
    bias: values(account, "bias"), bias_text: texts(account, "bias"),
    total: values(account, "total"), total_text: texts(account, "total"),
    steps: [...card.querySelectorAll("[data-role=step]")].map((el) => ({
      name: el.dataset.name, input: +el.dataset.input, output: +el.dataset.output,
      shown: +el.querySelector("[data-role=step-output]").dataset.value,
      numbers: Object.fromEntries([...el.querySelectorAll("dd")].map((dd) => [dd.dataset.name, +dd.dataset.value])),
    })),
    output: values(card, "output"),
  };
};
