import { ANY_KINDS, entries, host, make, plugin, shape } from './wasmill/index.js';
import { masked, mayHoldCard } from './mask.js';

const AT = '@'.charCodeAt(0);
const TEXT = ANY_KINDS.indexOf('text');

/** Masks e-mail addresses and card numbers in the values of whole maps. */
export default plugin({
  config: {
    mask: shape.optional(shape.text(), '****'),
    maps: shape.optional(
      shape.list(shape.oneOf(['attributes', 'resource.attributes', 'scope.attributes'])),
      ['attributes'],
    ),
  },

  init({ mask, maps }, needs) {
    needs.signals('traces', 'metrics', 'logs');
    needs.uses('edits');
    const columns = maps.map((path) => needs.column(path, 'attributes', 'dictionary'));

    return {
      process(slice, verdict) {
        let count = 0;
        for (const column of columns) {
          const { kinds, places, text } = slice.column(column).values;
          if (text === undefined) {
            continue;
          }
          const changed = changes(text, mask);
          if (changed.size === 0) {
            continue;
          }
          const { keys } = text;
          /** @type {number[]} */
          const targets = [];
          /** @type {string[]} */
          const values = [];
          for (let entry = 0; entry < kinds.length; entry++) {
            if (kinds[entry] === TEXT) {
              const value = changed.get(keys === undefined ? places[entry] : keys[places[entry]]);
              if (value !== undefined) {
                targets.push(entry);
                values.push(value);
              }
            }
          }
          verdict.set(column.path, entries(targets), make.text(values));
          count += targets.length;
        }
        if (count > 0) {
          host.counter('masked', count);
        }
      },
    };
  },
});

/**
 * What becomes of texts that change, by their number. Each distinct text is looked at once, and becomes a string only where its
 * bytes have an `@`, or enough digits.
 * @param {import('./wasmill/index.js').Text} texts
 * @param {string} mask
 */
function changes(texts, mask) {
  /** @type {Map<number, string>} */
  const changed = new Map();
  const bytes = texts.bytes();
  const bounds = texts.bounds();
  for (let number = 0, at = bytes.indexOf(AT); number < texts.texts; number++) {
    const from = bounds[number];
    const to = bounds[number + 1];
    if (at >= 0 && at < from) {
      at = bytes.indexOf(AT, from);
    }
    if ((at >= 0 && at < to) || mayHoldCard(bytes, from, to)) {
      const text = texts.text(number);
      const value = masked(text, mask);
      if (value !== text) {
        changed.set(number, value);
      }
    }
  }
  return changed;
}
