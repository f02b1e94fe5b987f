/** Thrown by a job that failed in a way that another attempt cannot mend: it is dead at once. */
export class FinalError extends Error {
  override readonly name = "FinalError";
}
