package store

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
)

// APIScopes are what a key of the API can be good for. read-only takes all
// changing away from what else the key has, and is alone a key that reads
// everything; admin is all of it.
func APIScopes() []string {
	return []string{"send", "contacts", "preferences", "campaigns", "cases", "suppressions", "read-only", "admin"}
}

// APIKey is a key of a program. The key itself is shown once and kept nowhere.
type APIKey struct {
	ID      int64
	Name    string
	Prefix  string // by which people tell keys apart
	Scopes  []string
	Test    bool // reaches the sandbox only
	Created time.Time
	Expires time.Time // zero: never
	Used    time.Time // to the minute
	Revoked time.Time
}

// State tells whether a key opens anything at a moment: active, expired or
// revoked.
func (k APIKey) State(at time.Time) string {
	switch {
	case !k.Revoked.IsZero():
		return "revoked"
	case !k.Expires.IsZero() && !at.Before(k.Expires):
		return "expired"
	}
	return "active"
}

// partnerScope begins the scope of a partner's own key, before the partner's id.
const partnerScope = "partner:"

// PartnerArea is what only the key of a partner is good for, and all that it is
// good for.
const PartnerArea = "partner"

// Partner names the one partner whose feed the key reads; empty: it is the key of
// a program of our own.
func (k APIKey) Partner() string {
	if len(k.Scopes) != 1 {
		return ""
	}
	id, is := strings.CutPrefix(k.Scopes[0], partnerScope)
	if !is {
		return ""
	}
	return id
}

// May tells whether the key is good for an area, and for changing something in
// it. Whoever reads a feed has been given it, so that not even admin does.
func (k APIKey) May(area string, change bool) bool {
	if area == PartnerArea || k.Partner() != "" {
		return area == PartnerArea && k.Partner() != ""
	}
	if slices.Contains(k.Scopes, "admin") {
		return true
	}
	reads := slices.Contains(k.Scopes, "read-only")
	if change && reads {
		return false
	}
	return slices.Contains(k.Scopes, area) || reads && len(k.Scopes) == 1
}

// ErrNoKey means that a key is none of ours.
var ErrNoKey = errors.New("there is no such key")

// keyStart begins every key, so that people and scanners of source code know
// what they have found.
func keyStart(test bool) string {
	if test {
		return "heed_test_"
	}
	return "heed_live_"
}

// NewAPIKey makes a key of 256 random bits and gives it with what is kept of it.
func (s *Store) NewAPIKey(ctx context.Context, k APIKey) (secret string, made APIKey, err error) {
	if err := k.check(s.now()); err != nil {
		return "", k, err
	}
	secret = keyStart(k.Test) + strings.ToLower(rand.Text()+rand.Text())
	k.Prefix = secret[:len(keyStart(k.Test))+8]
	err = s.inTx(ctx, "making a key of the API", func(t *tx) error {
		if k.ID, err = t.take(ctx, "api_key", 1); err != nil {
			return err
		}
		k.Created = t.now
		_, err := t.exec(ctx, `INSERT INTO api_key (id, name, prefix, digest, scopes, test, created, expires) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
			k.ID, k.Name, k.Prefix, keyDigest(secret), strings.Join(k.Scopes, " "), flag(k.Test), t.now.UnixMicro(), micro(k.Expires))
		return err
	})
	return secret, k, err
}

func (k APIKey) check(now time.Time) error {
	switch {
	case strings.TrimSpace(k.Name) == "" || len(k.Name) > 100:
		return errors.New("a key needs a name of at most 100 characters, by which people know what uses it")
	case len(k.Scopes) == 0:
		return fmt.Errorf("a key needs a scope: %s", strings.Join(APIScopes(), ", "))
	case !k.Expires.IsZero() && !k.Expires.After(now):
		return errors.New("a key cannot expire in the past")
	}
	for _, one := range k.Scopes {
		if err := checkScope(one, len(k.Scopes) == 1); err != nil {
			return err
		}
	}
	return nil
}

func checkScope(scope string, alone bool) error {
	id, partner := strings.CutPrefix(scope, partnerScope)
	switch {
	case partner && !alone:
		return errors.New("the key of a partner reads its own feed and nothing else: partner:ID stands alone")
	case partner && (id == "" || strings.ContainsFunc(id, unicode.IsSpace)):
		return errors.New("partner: wants the id of a partner behind it, such as partner:acme")
	case !partner && !slices.Contains(APIScopes(), scope):
		return fmt.Errorf("the scope %q is unknown; there are %s, and partner:ID", scope, strings.Join(APIScopes(), ", "))
	}
	return nil
}

// keyDigest needs no salt and no slow hash: nobody guesses 256 random bits.
func keyDigest(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:])
}

const apiKeyColumns = `id, name, prefix, scopes, test, created, expires, used, revoked`

func scanAPIKey(row scanner) (k APIKey, err error) {
	var scopes string
	var created, expires, used, revoked sql.NullInt64
	err = row.Scan(&k.ID, &k.Name, &k.Prefix, &scopes, &k.Test, &created, &expires, &used, &revoked)
	k.Scopes, k.Created, k.Expires = strings.Fields(scopes), fromMicro(created), fromMicro(expires)
	k.Used, k.Revoked = fromMicro(used), fromMicro(revoked)
	return k, err
}

// APIKeyOf finds what is kept of a key. One that is expired or revoked is given
// too: its holder may be told so.
func (s *Store) APIKeyOf(ctx context.Context, secret string) (APIKey, error) {
	k, err := scanAPIKey(s.read.QueryRowContext(ctx, `SELECT `+apiKeyColumns+` FROM api_key WHERE digest = $1`, keyDigest(secret)))
	if errors.Is(err, sql.ErrNoRows) {
		return k, ErrNoKey
	}
	if err != nil {
		return k, fmt.Errorf("looking for a key of the API: %w", err)
	}
	return k, nil
}

// APIKeys lists all keys that were ever made, oldest first.
func (s *Store) APIKeys(ctx context.Context) ([]APIKey, error) {
	found, err := s.read.QueryContext(ctx, `SELECT `+apiKeyColumns+` FROM api_key ORDER BY id`)
	if err != nil {
		return nil, fmt.Errorf("listing the keys of the API: %w", err)
	}
	return gather(found, scanAPIKey)
}

// usedEvery is how exact it is known when a key was used last.
const usedEvery = time.Minute

// APIKeyUsed notes that a key was used, at most once a minute.
func (s *Store) APIKeyUsed(ctx context.Context, k APIKey) error {
	if s.now().Sub(k.Used) < usedEvery {
		return nil
	}
	return s.inTx(ctx, "noting that a key was used", func(t *tx) error {
		_, err := t.exec(ctx, `UPDATE api_key SET used = $2 WHERE id = $1 AND (used IS NULL OR used < $2)`, k.ID, t.now.UnixMicro())
		return err
	})
}

// RevokeAPIKey ends a key, which its number or its prefix names, from this
// moment on.
func (s *Store) RevokeAPIKey(ctx context.Context, which string) (k APIKey, err error) {
	err = s.inTx(ctx, "revoking a key of the API", func(t *tx) error {
		k, err = scanAPIKey(t.QueryRowContext(ctx, `SELECT `+apiKeyColumns+` FROM api_key WHERE prefix = $1 OR CAST(id AS TEXT) = $1`, which))
		if errors.Is(err, sql.ErrNoRows) {
			return fmt.Errorf("%q: %w", which, ErrNoKey)
		}
		if err != nil || !k.Revoked.IsZero() {
			return err
		}
		k.Revoked = t.now
		_, err := t.exec(ctx, `UPDATE api_key SET revoked = $2 WHERE id = $1`, k.ID, t.now.UnixMicro())
		return err
	})
	return k, err
}
