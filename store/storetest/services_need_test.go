package storetest_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"heed/store/storetest"
)

// witness notes how a test was ended instead of ending it.
type witness struct {
	testing.TB
	skipped, failed string
}

func (w *witness) Helper()      {}
func (w *witness) Name() string { return "TestWitness" }

func (w *witness) Skip(why ...any) {
	w.skipped = fmt.Sprint(why...)
	runtime.Goexit()
}

func (w *witness) Fatalf(format string, args ...any) {
	w.failed = fmt.Sprintf(format, args...)
	runtime.Goexit()
}

// watch runs what may end its goroutine.
func watch(t *testing.T, do func(testing.TB)) *witness {
	w := &witness{TB: t}
	done := make(chan struct{})
	go func() {
		defer close(done)
		do(w)
	}()
	<-done
	return w
}

func TestAMissingServerIsNamed(t *testing.T) {
	need := func(t testing.TB) { storetest.Need(t, "redis-server-of-nobody") }
	t.Setenv("HEED_REQUIRE_SERVICES", "")
	if w := watch(t, need); w.failed != "" || !strings.Contains(w.skipped, "apt-get install redis-server-of-nobody") {
		t.Errorf("skipped with %q, failed with %q", w.skipped, w.failed)
	}
	t.Setenv("HEED_REQUIRE_SERVICES", "1")
	if w := watch(t, need); w.skipped != "" || !strings.Contains(w.failed, "redis-server-of-nobody is not installed") {
		t.Errorf("skipped with %q, failed with %q", w.skipped, w.failed)
	}
}

func TestLongTestsWaitForMakeTest(t *testing.T) {
	t.Setenv("HEED_REQUIRE_SERVICES", "")
	if w := watch(t, storetest.Long); !strings.Contains(w.skipped, "make test") {
		t.Errorf("skipped with %q", w.skipped)
	}
	t.Setenv("HEED_REQUIRE_SERVICES", "1")
	if w := watch(t, storetest.Long); w.skipped != "" || w.failed != "" {
		t.Errorf("skipped with %q, failed with %q", w.skipped, w.failed)
	}
}
