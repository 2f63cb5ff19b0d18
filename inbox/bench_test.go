package inbox

import (
	"os"
	"testing"
)

// BenchmarkRead reads a short request, the commonest mail at unsubscribe@.
func BenchmarkRead(b *testing.B) {
	raw, err := os.ReadFile("testdata/17-german.eml")
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		Read(raw, RoleUnsubscribe, testRing, Ours{})
	}
}
