// Parts of plots that know nothing of runs: thinning, ticks, points, labels at the ends of lines.

// At most about `wanted` of the rows: of each stretch those with the lowest and the highest loss, so that no spike
// disappears, and the last row.
export function thin(rows, wanted) {
  const kept = [];
  const size = rows.length / (wanted / 2);
  for (let start = 0; start < rows.length - 1; start += size) {
    const [from, to] = [Math.floor(start), Math.min(rows.length - 1, Math.floor(start + size))];
    let [low, high] = [from, from];
    for (let i = from; i < to; i += 1) {
      if (rows[i][3] < rows[low][3]) low = i;
      if (rows[i][3] > rows[high][3]) high = i;
    }
    kept.push(rows[Math.min(low, high)]);
    if (low !== high) kept.push(rows[Math.max(low, high)]);
  }
  kept.push(rows.at(-1));
  return kept;
}

export function ticks(low, high, wanted) {
  const rough = (high - low) / Math.max(1, wanted);
  const unit = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((m) => m * unit).find((s) => s >= rough * 0.999) ?? rough;
  const found = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + step * 1e-6; i += 1) found.push(+(i * step).toPrecision(12));
  return found;
}

export function dot(context, cx, cy, colour) {
  context.fillStyle = colour;
  context.beginPath();
  context.arc(cx, cy, 3.5, 0, 7);
  context.fill();
}

// Names at the ends of the lines, moved apart where they would overlap. With many lines the legend must do.
export function label(context, ends, left, top, bottom, look) {
  if (ends.length > 6) return;
  context.textAlign = "left";
  context.textBaseline = "middle";
  context.font = `11px ${look.font}`;
  ends.sort((a, b) => a.y - b.y);
  let y = top - 6;
  for (const end of ends) {
    y = Math.max(end.y, y + 13);
    end.at = y;
  }
  const over = ends.length ? ends.at(-1).at - bottom - 4 : 0;
  for (const end of ends) {
    context.fillStyle = end.colour;
    context.fillRect(left, end.at - (over > 0 ? over : 0) - 4, 3, 8);
    context.fillStyle = look.ink;
    context.fillText(end.text, left + 6, end.at - (over > 0 ? over : 0));
  }
}
