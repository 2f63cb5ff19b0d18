package store

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"heed/consent"
)

// WriteRegistered tells that an account was made with this address. It goes out
// once for each account.
const WriteRegistered = "registered"

// Registered is what became of the news that somebody made an account.
type Registered struct {
	Sent    bool           `json:"sent"`    // a confirmation goes out
	Already bool           `json:"already"` // this account has had its own
	Refused consent.Reason `json:"refused"` // why nobody may be written to; empty: they may
}

// ErrAccount means that an account has no id, or one that cannot be.
var ErrAccount = errors.New("an account needs an id of at most 200 characters")

// RegisterAccount takes the news that an account was made: it stores the person, without
// a yes to anything, and writes the one confirmation that an account gets,
// whatever its holder opted out of. However often and at once it is told, one
// letter goes out. Nobody who was erased or restricted is written to; who was
// erased is not stored again either: that takes their own act.
func (s *Store) RegisterAccount(ctx context.Context, c Contact) (r Registered, err error) {
	one, err := s.checkAccount(ctx, c)
	if err != nil {
		return r, err
	}
	err = s.inTx(ctx, "confirming a registration", func(t *tx) error {
		r, err = t.register(ctx, one)
		return err
	})
	s.pokeAll()
	return r, err
}

func (s *Store) checkAccount(ctx context.Context, c Contact) (incoming, error) {
	if id := strings.TrimSpace(c.ExternalID); id == "" || len(id) > 200 {
		return incoming{}, ErrAccount
	}
	names, err := s.loadNames(ctx)
	if err != nil {
		return incoming{}, err
	}
	c.Topics, c.PartnerOffers, c.Sharing = nil, false, false // whoever registers says yes to none of them
	return s.check(c, names)
}

func (t *tx) register(ctx context.Context, one incoming) (r Registered, err error) {
	held, err := t.lockKeys(ctx, []consent.Key{one.key})
	if err != nil {
		return r, err
	}
	who := held[one.key]
	r.Refused = consent.Decide(consent.Person{State: who.state}, consent.Message{Class: consent.Registration}, t.s.limits)
	if r.Refused == consent.Erased || r.Refused == consent.Restricted {
		return r, nil
	}
	if _, err := t.upsertAll(ctx, []incoming{one}, held); err != nil || r.Refused != "" {
		return r, err
	}
	n, err := t.exec(ctx, `INSERT INTO registration (account, address, at) VALUES ($1, $2, $3) ON CONFLICT (account) DO NOTHING`,
		t.s.account(one.ExternalID), one.key.String(), t.now.UnixMicro())
	if err != nil {
		return r, fmt.Errorf("noting a registration: %w", err)
	}
	if n == 0 {
		r.Already = true
		return r, nil
	}
	r.Sent = true
	_, err = t.write(ctx, who.subject, Correspondence{Kind: WriteRegistered, Key: one.key.String()})
	return r, err
}

// account names an account without saying which: what is left of it when its
// holder was erased.
func (s *Store) account(id string) string {
	mac := hmac.New(sha256.New, s.keys.Pepper)
	mac.Write([]byte("account\x00" + strings.TrimSpace(id)))
	return hex.EncodeToString(mac.Sum(nil)[:16])
}
