package store

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"unicode"

	"heed/consent"
)

// likeness is the same for mails with the same words, whatever their numbers,
// signs and layout: a flood differs in those. It is hashed with the pepper, so
// that nobody can tell from it what was written, and empty where there is too
// little text to go by.
func (s *Store) likeness(m Inbound) string {
	words := strings.FieldsFunc(strings.ToLower(m.Subject+" "+m.Text), func(r rune) bool { return !unicode.IsLetter(r) })
	if len(words) < 3 {
		return ""
	}
	mac := hmac.New(sha256.New, s.keys.Pepper)
	mac.Write([]byte("words\x00" + strings.Join(words, " ")))
	return hex.EncodeToString(mac.Sum(nil)[:16])
}

// Alike lists the open cases that a person must look at and whose mail has the
// words of this one's, itself among them.
func (s *Store) Alike(ctx context.Context, id int64) ([]int64, error) {
	found, err := s.read.QueryContext(ctx, `SELECT c.id FROM privacy_case c JOIN privacy_case o ON o.likeness = c.likeness
		WHERE o.id = $1 AND o.likeness <> '' AND o.kind = $2 AND c.kind = $2 AND c.ended IS NULL ORDER BY c.id`, id, string(consent.CaseReview))
	if err != nil {
		return nil, fmt.Errorf("looking for cases like case %d: %w", id, err)
	}
	return gather(found, single[int64])
}
