package store

import (
	"context"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"heed/consent"
)

// PolicyNotice is how long a material version is posted before it comes into
// force.
const PolicyNotice = 30 * 24 * time.Hour

// Version is a version of the policy. What it says never changes.
type Version struct {
	Number int
	consent.PolicyVersion
	Material  bool
	State     string // announced | in_force | replaced | withdrawn
	Posted    time.Time
	Effective time.Time
	Ended     time.Time // when the next one came into force, or it was withdrawn
}

const versionColumns = `number, id, hash, wording, purposes, material, state, posted, effective, ended`

func scanVersion(row scanner) (v Version, err error) {
	var hash, purposes string
	var posted, effective int64
	var ended sql.NullInt64
	if err = row.Scan(&v.Number, &v.ID, &hash, &v.Text, &purposes, &v.Material, &v.State, &posted, &effective, &ended); err != nil {
		return v, err
	}
	v.Purposes = strings.Fields(purposes)
	v.Posted, v.Effective, v.Ended = time.UnixMicro(posted).UTC(), time.UnixMicro(effective).UTC(), fromMicro(ended)
	v.Hash, err = hex.DecodeString(hash)
	return v, err
}

// Versions lists all versions of the policy, oldest first.
func (s *Store) Versions(ctx context.Context) ([]Version, error) {
	found, err := s.read.QueryContext(ctx, `SELECT `+versionColumns+` FROM policy_version ORDER BY number`)
	if err != nil {
		return nil, fmt.Errorf("listing versions of the policy: %w", err)
	}
	return gather(found, scanVersion)
}

// Version reads one by its id.
func (s *Store) Version(ctx context.Context, id string) (Version, error) {
	return s.version(ctx, `id = $1`, id)
}

// VersionByNumber reads one by its number.
func (s *Store) VersionByNumber(ctx context.Context, number int) (Version, error) {
	return s.version(ctx, `number = $1`, number)
}

func (s *Store) version(ctx context.Context, which string, arg any) (Version, error) {
	v, err := scanVersion(s.read.QueryRowContext(ctx, `SELECT `+versionColumns+` FROM policy_version WHERE `+which, arg))
	if errors.Is(err, sql.ErrNoRows) {
		return v, ErrNotFound
	}
	return v, err
}

// PolicyNow gives the version that is in force and the one that is announced;
// each may be missing, and then has no id.
func (s *Store) PolicyNow(ctx context.Context) (inForce, announced Version, err error) {
	found, err := s.read.QueryContext(ctx, `SELECT `+versionColumns+` FROM policy_version WHERE state IN ('in_force', 'announced') ORDER BY number`)
	if err != nil {
		return inForce, announced, fmt.Errorf("reading the policy: %w", err)
	}
	all, err := gather(found, scanVersion)
	for _, one := range all {
		if one.State == "in_force" {
			inForce = one
		} else {
			announced = one
		}
	}
	return inForce, announced, err
}

// firstPolicy makes the version of the configuration known: it is the first, or
// one that was published since. A text that changed under its id is refused:
// nobody could tell any more what people agreed to.
func (s *Store) firstPolicy(ctx context.Context, p consent.PolicyVersion) error {
	if p.ID == "" {
		return nil
	}
	hash := hex.EncodeToString(p.Hash)
	known, err := s.Version(ctx, p.ID)
	if err == nil && hex.EncodeToString(known.Hash) != hash {
		return fmt.Errorf("%w: the text of the policy %s is not the one that people agreed to under this id; put the old text back, and publish the new one under an id of its own: heed policy publish FILE --id ID",
			ErrPolicyChanged, p.ID)
	}
	if err == nil || !errors.Is(err, ErrNotFound) {
		return err
	}
	return s.inTx(ctx, "storing the first version of the policy", func(t *tx) error {
		var others int
		if err := t.QueryRowContext(ctx, `SELECT count(*) FROM policy_version WHERE id <> $1`, p.ID).Scan(&others); err != nil {
			return err
		}
		if others > 0 {
			return fmt.Errorf("%w: the configuration names the policy %s, which was never published: heed policy publish FILE --id %s, and leave [policy] as it was at first",
				ErrPolicyChanged, p.ID, p.ID)
		}
		return t.addVersion(ctx, Version{PolicyVersion: p, State: "in_force", Posted: t.now, Effective: t.now})
	})
}

// ErrPolicyChanged means that the configuration and the versions that people
// agreed to contradict each other.
var ErrPolicyChanged = errors.New("the policy of the configuration cannot be used")

func (t *tx) addVersion(ctx context.Context, v Version) error {
	_, err := t.exec(ctx, `INSERT INTO policy_version (number, id, hash, wording, purposes, material, state, posted, effective)
		SELECT COALESCE(max(number), 0) + 1, CAST($1 AS TEXT), CAST($2 AS TEXT), CAST($3 AS TEXT), CAST($4 AS TEXT), CAST($5 AS INTEGER), CAST($6 AS TEXT),
		CAST($7 AS BIGINT), CAST($8 AS BIGINT) FROM policy_version WHERE 1 = 1 ON CONFLICT DO NOTHING`,
		v.ID, hex.EncodeToString(v.Hash), v.Text, strings.Join(v.Purposes, " "), flag(v.Material), v.State, v.Posted.UnixMicro(), v.Effective.UnixMicro())
	if err != nil {
		return fmt.Errorf("storing a version of the policy: %w", err)
	}
	return nil
}

// versions are those that a row of the ledger can be written under.
type versions []dated

type dated struct {
	consent.PolicyVersion
	state     string
	effective time.Time
}

func (t *tx) versions(ctx context.Context) (versions, error) {
	found, err := t.QueryContext(ctx, `SELECT id, hash, state, effective FROM policy_version ORDER BY effective, number`)
	if err != nil {
		return nil, fmt.Errorf("reading the versions of the policy: %w", err)
	}
	return gather(found, func(row scanner) (d dated, err error) {
		var hash string
		var effective int64
		if err = row.Scan(&d.ID, &hash, &d.state, &effective); err != nil {
			return d, err
		}
		d.effective = time.UnixMicro(effective).UTC()
		d.Hash, err = hex.DecodeString(hash)
		return d, err
	})
}

// of is the version that an act is under: the one that it names; for a consent
// that a list brings, the one that was in force when it was given, as far back as
// versions are known; otherwise the one in force.
func (all versions) of(a act) (under consent.PolicyVersion) {
	for i, one := range all {
		switch {
		case a.policy != "":
			if one.ID == a.policy {
				return one.PolicyVersion
			}
		case one.state == "announced" || one.state == "withdrawn":
		case a.via == consent.ViaImport && a.choice == consent.In && !a.received.IsZero():
			if i == 0 || under.ID == "" || !one.effective.After(a.received) {
				under = one.PolicyVersion
			}
		case one.state == "in_force":
			under = one.PolicyVersion
		}
	}
	if under.ID == "" && a.policy != "" {
		under.ID = a.policy // older than the versions that are kept
	}
	return under
}

// inForce is the version in force, inside a transaction.
func (t *tx) inForce(ctx context.Context) (consent.PolicyVersion, error) {
	all, err := t.versions(ctx)
	return all.of(act{}), err
}

// purposes keeps what each version lets data be used for. It never changes, so
// that only what is not known yet is asked for.
type purposes struct {
	mu    sync.Mutex
	known map[string][]string
}

// covers tells whether a version names a purpose.
func (s *Store) covers(version, purpose string) bool {
	s.purposes.mu.Lock()
	defer s.purposes.mu.Unlock()
	named, known := s.purposes.known[version]
	if !known {
		v, err := s.Version(context.Background(), version)
		if err != nil {
			return false // asked again next time; until then nobody is written to whose version we cannot read
		}
		if s.purposes.known == nil {
			s.purposes.known = map[string][]string{}
		}
		named = v.Purposes
		s.purposes.known[version] = named
	}
	return slices.Contains(named, purpose)
}

// aboutVersion counts the messages of the same kind about the same version that
// somebody got, or that wait for them in a campaign before this one.
func aboutVersion(kind, version, campaign, address string) string {
	return `SELECT count(*) FROM campaign f JOIN delivery e ON e.campaign = f.id AND e.address = ` + address + ` WHERE f.kind = ` + kind + ` AND f.policy = ` + version + `
		AND f.id <> ` + campaign + ` AND (e.state IN ('accepted', 'uncertain') OR f.id < ` + campaign + ` AND e.state IN ('waiting', 'deferred') AND f.state IN ('sending', 'paused'))`
}
