package store

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"time"

	"heed/consent"
)

// SignUpFor is how long the link of a sign-up is good. An address gets one such
// mail a day, whoever asks for it and however often.
const (
	SignUpFor   = 7 * 24 * time.Hour
	SignUpEvery = 24 * time.Hour
)

// Sign-ups that are taken within an hour: from one network (a /24 of IPv4, a /64
// of IPv6) and of all together, so that a form makes no flood of mails to
// strangers.
const (
	SignUpsOfNetwork = 20
	SignUpsAnHour    = 500
)

// The kinds of letters that follow a sign-up; see worker/signup.go.
const WriteSignUp = "signup" // the link that confirms it; or that nothing is left to confirm

// ErrTooMany means that no more sign-ups, or questions for a link, are taken within
// this hour.
var ErrTooMany = errors.New("too many within the hour; try again later")

// SignUp is a form as somebody sent it in. Nothing in it is believed before the
// click from its address.
type SignUp struct {
	Contact            // of it: Email, FirstName, LastName, Company, Language, TimeZone, Topics, PartnerOffers, Sharing
	Wording  string    // what stood on the form, word by word
	Source   string    // which form; not personal
	Network  string    // see Network; empty: from a program with a key, which is not counted by network
	Received time.Time // at our edge; zero: now
}

// asked is what a sign-up asks for, as it is kept.
type asked struct {
	Email      string          `json:"email"`
	FirstName  string          `json:"first_name,omitempty"`
	LastName   string          `json:"last_name,omitempty"`
	Company    string          `json:"company,omitempty"`
	Language   string          `json:"language,omitempty"`
	TimeZone   string          `json:"time_zone,omitempty"`
	Scopes     []consent.Scope `json:"scopes"`
	Wording    string          `json:"wording"`
	Source     string          `json:"source"`
	Network    string          `json:"network,omitempty"`
	Policy     string          `json:"policy,omitempty"`
	PolicyHash string          `json:"policy_sha256,omitempty"`
	Received   time.Time       `json:"received"`
}

// SignUp takes a form. What follows is the same whoever has the address, known or
// not, opted out or erased: a letter to it, at most one a day. Which letter that
// is, is decided when it is sent. Nothing is decided about the person before they
// press the button behind its link.
func (s *Store) SignUp(ctx context.Context, in SignUp) error {
	a, key, err := s.checkSignUp(ctx, in)
	if err != nil {
		return err
	}
	err = s.inTx(ctx, "taking a sign-up", func(t *tx) error {
		if err := t.countAsk(ctx, "", in.Network, SignUpsOfNetwork, SignUpsAnHour); err != nil {
			return err
		}
		if _, err := t.lockKeys(ctx, []consent.Key{key}); err != nil {
			return err
		}
		return t.addSignUp(ctx, key, a)
	})
	s.pokeAll()
	return err
}

// countAsk counts what anybody may ask for on a page, for its network and for all,
// and refuses it above the cap. what parts the counts of different pages.
func (t *tx) countAsk(ctx context.Context, what, network string, ofNetwork, anHour int) error {
	hour := t.now.Unix() / int64(time.Hour/time.Second)
	for _, one := range []struct {
		network string
		most    int
	}{{network, ofNetwork}, {"", anHour}} {
		if one.network == "" && one.most == ofNetwork {
			continue
		}
		var n int
		err := t.QueryRowContext(ctx, `INSERT INTO signup_count (network, hour, n) VALUES ($1, $2, 1)
			ON CONFLICT (network, hour) DO UPDATE SET n = signup_count.n + 1 RETURNING n`, what+one.network, hour).Scan(&n)
		if err != nil {
			return fmt.Errorf("counting what is asked for: %w", err)
		}
		if n > one.most {
			return ErrTooMany
		}
	}
	return nil
}

// addSignUp keeps the sign-up and its letter, unless the address had one today.
// The work is the same in both cases, as far as it can be.
func (t *tx) addSignUp(ctx context.Context, key consent.Key, a asked) error {
	var recent int
	err := t.QueryRowContext(ctx, `SELECT count(*) FROM signup WHERE address = $1 AND created > $2`, key.String(), t.now.Add(-SignUpEvery).UnixMicro()).Scan(&recent)
	if err != nil {
		return fmt.Errorf("looking for sign-ups: %w", err)
	}
	id, err := t.take(ctx, "signup", 1)
	if err != nil {
		return err
	}
	version, err := t.inForce(ctx)
	if err != nil {
		return err
	}
	a.Policy, a.PolicyHash = version.ID, hex.EncodeToString(version.Hash)
	holder := signUpHolder(id)
	sealed, err := t.seal(ctx, holder, a)
	if err != nil || recent > 0 {
		return err
	}
	letter, err := t.write(ctx, holder, Correspondence{Kind: WriteSignUp, Key: key.String(), Words: Words{To: a.Email, Language: a.Language, Change: id}})
	if err != nil {
		return err
	}
	_, err = t.exec(ctx, `INSERT INTO signup (id, address, state, created, until, letter, sealed) VALUES ($1, $2, 'waiting', $3, $4, $5, $6)`,
		id, key.String(), t.now.UnixMicro(), t.now.Add(SignUpFor).UnixMicro(), letter, sealed)
	if err != nil {
		return fmt.Errorf("keeping a sign-up: %w", err)
	}
	return nil
}

// signUpHolder names the key under which a sign-up is sealed: its own, so that
// neither an erasure of the same address nor its end touches anything else.
func signUpHolder(id int64) string { return "signup " + strconv.FormatInt(id, 10) }

// SignUpAsked is a sign-up as its page shows it.
type SignUpAsked struct {
	ID        int64
	Key       consent.Key
	Email     string
	Language  string
	Scopes    []consent.Scope
	Until     time.Time
	Confirmed time.Time // zero: not yet
	Expired   bool

	asked asked
}

// SignUpToken seals the link of a sign-up.
func (s *Store) SignUpToken(key consent.Key, id int64) string {
	return s.keys.Links.Seal(consent.Link{Purpose: consent.PurposeSignUp, Address: key, Scope: uint16(id)})
}

const signUpColumns = `id, address, state, until, ended, sealed`

// SignUpOf finds what a link confirms.
func (s *Store) SignUpOf(ctx context.Context, l consent.Link) (SignUpAsked, error) {
	return s.scanSignUp(ctx, s.read.QueryRowContext(ctx, `SELECT `+signUpColumns+` FROM signup WHERE address = $1 AND id % 65536 = $2
		ORDER BY id DESC LIMIT 1`, l.Address.String(), int(l.Scope)))
}

// SignUpByID reads one.
func (s *Store) SignUpByID(ctx context.Context, id int64) (SignUpAsked, error) {
	return s.scanSignUp(ctx, s.read.QueryRowContext(ctx, `SELECT `+signUpColumns+` FROM signup WHERE id = $1`, id))
}

func (s *Store) scanSignUp(ctx context.Context, row scanner) (u SignUpAsked, err error) {
	var key, state, sealed string
	var until int64
	var ended sql.NullInt64
	err = row.Scan(&u.ID, &key, &state, &until, &ended, &sealed)
	if errors.Is(err, sql.ErrNoRows) {
		return u, ErrNotFound
	}
	if err != nil {
		return u, fmt.Errorf("reading a sign-up: %w", err)
	}
	u.Until = time.UnixMicro(until).UTC()
	u.Expired = state == "expired" || state == "waiting" && s.now().After(u.Until)
	if state == "confirmed" {
		u.Confirmed = fromMicro(ended)
	}
	if u.Key, err = consent.ParseKey(key); err != nil {
		return u, err
	}
	found, err := s.unseal(ctx, signUpHolder(u.ID), sealed, &u.asked)
	if err == nil && !found && state == "waiting" {
		u.Expired = true // its key is gone: nobody can tell any more what was asked for
	}
	u.Email, u.Language, u.Scopes = u.asked.Email, u.asked.Language, u.asked.Scopes
	return u, err
}

// KeepWording keeps what stands on a form that is given out, and gives the mark by
// which the form names it.
func (s *Store) KeepWording(ctx context.Context, wording string) (mark string, err error) {
	mark = WordingMark(wording)
	return mark, s.inTx(ctx, "keeping the wording of a form", func(t *tx) error {
		_, err := t.exec(ctx, `INSERT INTO signup_wording (hash, wording, created) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`, mark, wording, t.now.UnixMicro())
		return err
	})
}

// WordingMark names a wording.
func WordingMark(wording string) string {
	sum := sha256.Sum256([]byte(wording))
	return hex.EncodeToString(sum[:16])
}

// Wording gives what KeepWording kept; ErrNotFound where it never was.
func (s *Store) Wording(ctx context.Context, mark string) (wording string, err error) {
	err = s.read.QueryRowContext(ctx, `SELECT wording FROM signup_wording WHERE hash = $1`, mark).Scan(&wording)
	if errors.Is(err, sql.ErrNoRows) {
		return "", ErrNotFound
	}
	return wording, err
}
