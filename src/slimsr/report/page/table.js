// A table that is sorted by the heading that is pressed; what has no value stays last.
function sortable({ title, columns, rows }) {
  const body = make("tbody");
  let sorted = null, falling = false;
  const fillBody = (list) => body.replaceChildren(...list.map((row) =>
    make("tr", {}, ...row.map(([text], i) =>
      make(i ? "td" : "th", { class: columns[i].numeric ? "number" : text.length > 24 ? "long" : null, scope: i ? null : "row" },
        text)))));
  const heads = columns.map(({ label, numeric }, i) => {
    const press = () => {
      // Numbers fall at first: the best score stands first.
      falling = sorted === i ? !falling : Boolean(numeric);
      sorted = i;
      const by = (a, b) => {
        const [x, y] = [a[i][1], b[i][1]];
        if (x === null || y === null) return (x === null) - (y === null);
        const order = numeric ? x - y : String(x).localeCompare(String(y), "en", { numeric: true });
        return falling ? -order : order;
      };
      fillBody([...rows].sort(by));
      heads.forEach((head, k) => {
        if (k === i) head.setAttribute("aria-sort", falling ? "descending" : "ascending");
        else head.removeAttribute("aria-sort");
      });
    };
    return make("th", { scope: "col", class: numeric ? "number" : null },
      make("button", { type: "button", onclick: press }, label));
  });
  fillBody(rows);
  return make("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": title },
    make("table", {}, make("caption", {}, title),
      make("thead", {}, make("tr", {}, ...heads)), body));
}
