package mailertest

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/emersion/go-msgauth/dkim"
)

// VerifyDKIM checks each signature of a message with the keys that lookupTXT finds, as a
// receiver would. It returns the fields that all of them cover, in lower case. A message
// without a signature, or with one that is not valid, is an error.
func VerifyDKIM(raw []byte, lookupTXT func(name string) ([]string, error)) ([]string, error) {
	found, err := dkim.VerifyWithOptions(bytes.NewReader(raw), &dkim.VerifyOptions{LookupTXT: lookupTXT})
	if err != nil {
		return nil, fmt.Errorf("read the signatures of a message: %w", err)
	}
	if len(found) == 0 {
		return nil, errors.New("the message is not signed")
	}
	var covered []string
	for i, signature := range found {
		if signature.Err != nil {
			return nil, fmt.Errorf("the signature of %s is not valid: %w", signature.Domain, signature.Err)
		}
		covered = both(i == 0, covered, signature.HeaderKeys)
	}
	return covered, nil
}

// both keeps what stands in both lists; the first one begins.
func both(first bool, covered, names []string) []string {
	var lower []string
	for _, name := range names {
		if name = strings.ToLower(name); first || slices.Contains(covered, name) {
			lower = append(lower, name)
		}
	}
	slices.Sort(lower)
	return slices.Compact(lower)
}
