package consent

import "testing"

// TestLookalike: an address that seems to be written in other letters is found,
// and one in the letters of a language is not.
func TestLookalike(t *testing.T) {
	for address, want := range map[string]bool{
		"ann@example.com":           false,
		"ann.o-brien+x@example.com": false,
		"müller@bücher.example":     false,
		"иван@почта.рф":             false,
		"иван@яндекс.com":           false,
		"用户@例え.jp":                  false,
		"ann2@sony株.example":        false,
		"αλέξης@παράδειγμα.gr":      false,
		"аnn@example.com":           true, // a Cyrillic а
		"ann@exаmple.com":           true,
		"ann@аррӏе.com":             true, // all Cyrillic, and looks Latin
		"ann@օոսց.com":              true,
		"ivan@почтa.рф":             true, // a Latin a
		"аnn.smith@example.com":     true,
		"smith.анна@example.com":    false, // whole words of one script each
	} {
		normal, err := Normalize(address)
		if err != nil {
			t.Errorf("%s: %v", address, err)
			continue
		}
		if got := Lookalike(normal); got != want {
			t.Errorf("Lookalike(%s) = %t", normal, got)
		}
	}
}
