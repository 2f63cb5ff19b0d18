package inbox

import (
	"strings"
	"testing"
)

// TestExpressionsCompile: an expression is compiled when a mail first needs it, which must not be where a mistake in it is
// found.
func TestExpressionsCompile(t *testing.T) {
	if len(expressions) < 50 {
		t.Fatalf("%d expressions", len(expressions))
	}
	for _, one := range expressions {
		if strings.TrimSpace(one().String()) == "" {
			t.Error("an expression is empty")
		}
	}
}
