package worker

import (
	"fmt"
	"testing"

	"heed/store"
)

// FuzzParseTask: a payload names one job and generation, the same as would be
// written for it, or nothing.
func FuzzParseTask(f *testing.F) {
	for _, seed := range []string{"1.0", "77.3", "-1.-1", "1", ".", "9223372036854775807.2147483647", "1.2.3", "+1.+2", "01.002"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		id, generation, ok := parseTask(payload)
		if !ok {
			if id != 0 && generation != 0 {
				t.Errorf("%q is refused, as %d.%d", payload, id, generation)
			}
			return
		}
		again, g, ok := parseTask([]byte(store.Job{ID: id, Generation: generation}.TaskID()))
		if !ok || again != id || g != generation {
			t.Errorf("%q is %d.%d, which is read as %d.%d (%s)", payload, id, generation, again, g, fmt.Sprint(ok))
		}
	})
}
