/** What a plugin says when it cannot. */

/**
 * A refusal, in words for the operator: lowercase, without a full stop; which key or value, what was found, what was expected.
 *
 * Thrown out of `init` it refuses the configuration, out of `process` the slice, and the stage's `on_fault` says what becomes of
 * that. Another error that is thrown does the same, and is told with its stack: nobody expected it.
 */
export class Refusal extends Error {
  /** @param {string} message */
  constructor(message) {
    super(message);
    this.name = 'Refusal';
  }
}
