// How the page draws: elements made of text alone, never of markup.

export const $ = id => document.getElementById(id);

export function make(name, properties = {}, ...children) {
  const element = Object.assign(document.createElement(name), properties);
  element.append(...children);
  return element;
}

export function picture(path) {
  const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
  svg.setAttribute('viewBox', '0 0 24 24');
  svg.append(document.createElementNS('http://www.w3.org/2000/svg', 'path'));
  svg.firstChild.setAttribute('d', path);
  return svg;
}

/** A number that is seen to change. */
export function number(className) {
  return make('span', { className });
}

export function set(element, value) {
  if (element.textContent === String(value)) return;
  const changes = element.textContent !== '';
  element.textContent = value;
  element.classList.toggle('changed', false);
  void element.offsetWidth; // or the animation would not begin anew
  element.classList.toggle('changed', changes);
}

/** Rows for items: those that stay are drawn again, those that come are seen to come. */
export function list(parent, items, draw) {
  const rows = new Map([...parent.children].map(row => [row.dataset.id, row]));
  const first = !rows.size;
  const wanted = items.map(item => {
    const row = rows.get(item.id) ?? make('li', {});
    draw(row, item);
    if (!rows.has(item.id) && !first) row.classList.add('arrived');
    row.dataset.id = item.id;
    return row;
  });
  parent.replaceChildren(...wanted);
}

export function face({ username, display_name }, size = '') {
  const element = make(
    'span',
    { className: `face ${size}`, ariaHidden: true },
    (display_name ?? username)[0].toUpperCase(),
  );
  const hue = [...username].reduce((sum, letter) => (sum * 31 + letter.charCodeAt(0)) % 360, 7);
  element.style.setProperty('--hue', hue);
  return element;
}

export function ago(time) {
  const minutes = Math.max(0, Math.round((Date.now() - Date.parse(time)) / 60_000));
  const [value, unit] =
    minutes < 60
      ? [minutes, 'minute']
      : minutes < 1440
        ? [Math.round(minutes / 60), 'hour']
        : [Math.round(minutes / 1440), 'day'];
  const words = minutes ? new Intl.RelativeTimeFormat('en', { style: 'narrow' }).format(-value, unit) : 'now';
  return make('time', { dateTime: time, title: new Date(time).toLocaleString() }, words);
}
