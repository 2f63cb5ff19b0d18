//go:build race

package inbox

// raced tells that the race detector looks on, under which reading costs ten
// times as much: what is measured, or done ten thousand times, is done without
// it, in the suite corpus.
const raced = true
