package worker

import (
	"testing"

	"heed/store"
)

// TestLetterLanguage: a case's letters are in the language of the request
// where there are words in it, and otherwise in the person's own.
func TestLetterLanguage(t *testing.T) {
	for _, one := range []struct{ asked, own, want string }{
		{"fr", "de", "fr"}, {"ja", "de", "de"}, {"", "de", "de"}, {"ja", "", "ja"}, {"fr", "", "fr"}, {"pt-BR", "de", "pt-BR"},
	} {
		if got := language(store.Case{Language: one.asked}, store.Person{Contact: store.Contact{Language: one.own}}); got != one.want {
			t.Errorf("asked in %q by somebody of %q: %q, want %q", one.asked, one.own, got, one.want)
		}
	}
}
