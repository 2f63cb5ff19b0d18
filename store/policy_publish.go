package store

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"time"

	"heed/consent"
)

// Publication is a new version of the policy.
type Publication struct {
	consent.PolicyVersion // Purposes nil: those of the version in force
	Material              bool
}

// errPublish refuses a publication that would not keep what was promised.
func errPublish(format string, args ...any) error {
	return fmt.Errorf(format+": %w", append(args, ErrRefused)...)
}

var versionID = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)

// maxPolicy bounds the text of a version.
const maxPolicy = 1 << 20

// PublishPolicy posts a new version. A material one is announced, and comes into
// force 30 days later; one that only mends words is in force at once, and may not
// let data be used for more. Neither changes a choice of anybody: what somebody
// agreed to before still holds for what they gave before.
func (s *Store) PublishPolicy(ctx context.Context, p Publication) (v Version, err error) {
	if !versionID.MatchString(p.ID) {
		return v, errPublish("the id %q of a version must be of letters, digits, dot, dash and underscore, at most 64", p.ID)
	}
	if len(p.Text) == 0 || len(p.Text) > maxPolicy {
		return v, errPublish("the text of a version must have between 1 and %d bytes, this one has %d", maxPolicy, len(p.Text))
	}
	for _, one := range p.Purposes {
		if !purposeName.MatchString(one) {
			return v, errPublish("the purpose %q must be of a-z, 0-9, dot, dash and underscore, at most 64", one)
		}
	}
	err = s.inTx(ctx, "publishing a version of the policy", func(t *tx) error { return t.publish(ctx, p) })
	if err != nil {
		return v, err
	}
	return s.Version(ctx, p.ID)
}

var purposeName = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,63}$`)

func (t *tx) publish(ctx context.Context, p Publication) error {
	found, err := t.QueryContext(ctx, `SELECT `+versionColumns+` FROM policy_version ORDER BY number`)
	if err != nil {
		return err
	}
	all, err := gather(found, scanVersion)
	if err != nil {
		return err
	}
	var inForce Version
	for _, one := range all {
		switch {
		case one.ID == p.ID:
			return errPublish("a version %s was published already; what people agreed to under an id never changes, so give the new text a new id", p.ID)
		case p.Material && one.State == "announced":
			return errPublish("the version %s is announced already; wait until it is in force, or take it back: heed policy withdraw %s", one.ID, one.ID)
		case one.State == "in_force":
			inForce = one
		}
	}
	if p.Purposes == nil {
		p.Purposes = inForce.Purposes
	}
	if extra := slices.DeleteFunc(slices.Clone(p.Purposes), func(one string) bool { return slices.Contains(inForce.Purposes, one) }); len(extra) > 0 && !p.Material && inForce.ID != "" {
		return errPublish("the purpose %s is new: that is a material change, which takes --material and 30 days of notice", extra[0])
	}
	v := Version{PolicyVersion: p.PolicyVersion, Material: p.Material, State: "announced", Posted: t.now, Effective: t.now.Add(PolicyNotice)}
	if !p.Material || inForce.ID == "" { // before the first version there is nothing that anybody agreed to
		v.State, v.Effective = "in_force", t.now
		if err := t.replaceVersion(ctx); err != nil {
			return err
		}
	}
	return t.addVersion(ctx, v)
}

func (t *tx) replaceVersion(ctx context.Context) error {
	_, err := t.exec(ctx, `UPDATE policy_version SET state = 'replaced', ended = $1 WHERE state = 'in_force'`, t.now.UnixMicro())
	return err
}

// ActivatePolicy brings into force what was announced long enough ago. It gives
// the ids.
func (s *Store) ActivatePolicy(ctx context.Context) (ids []string, err error) {
	due, err := s.dueVersions(ctx)
	if err != nil || len(due) == 0 {
		return nil, err
	}
	err = s.inTx(ctx, "bringing a version of the policy into force", func(t *tx) error {
		ids = nil
		for _, id := range due {
			if err := t.replaceVersion(ctx); err != nil {
				return err
			}
			n, err := t.exec(ctx, `UPDATE policy_version SET state = 'in_force' WHERE id = $1 AND state = 'announced' AND effective <= $2`, id, t.now.UnixMicro())
			if err != nil {
				return err
			}
			if n == 0 {
				return errors.New("another process has done it meanwhile")
			}
			ids = append(ids, id)
		}
		return nil
	})
	return ids, err
}

func (s *Store) dueVersions(ctx context.Context) ([]string, error) {
	found, err := s.read.QueryContext(ctx, `SELECT id FROM policy_version WHERE state = 'announced' AND effective <= $1 ORDER BY number`, s.now().UnixMicro())
	if err != nil {
		return nil, fmt.Errorf("looking for versions of the policy that are due: %w", err)
	}
	return gather(found, single[string])
}

// WithdrawPolicy takes back a version that is announced and not in force yet.
func (s *Store) WithdrawPolicy(ctx context.Context, id string) error {
	return s.inTx(ctx, "taking back a version of the policy", func(t *tx) error {
		n, err := t.exec(ctx, `UPDATE policy_version SET state = 'withdrawn', ended = $2 WHERE id = $1 AND state = 'announced'`, id, t.now.UnixMicro())
		if err != nil || n > 0 {
			return err
		}
		return errPublish("the version %s is not announced: only one that is not in force yet can be taken back", id)
	})
}

// AgreeToken seals the link by which somebody agrees to a version.
func (s *Store) AgreeToken(key consent.Key, v Version) string {
	return s.keys.Links.Seal(consent.Link{Purpose: consent.PurposeAgree, Address: key, Scope: uint16(v.Number)})
}

// Agree takes the click of somebody who agrees to a version: each yes that stands
// is said anew under it. What they stopped stays stopped, and what they never
// chose is not chosen now. It gives the scopes; none where nothing stands.
func (s *Store) Agree(ctx context.Context, l consent.Link, c Click) (scopes []consent.Scope, err error) {
	v, err := s.VersionByNumber(ctx, int(l.Scope))
	if err != nil {
		return nil, err
	}
	if v.State == "replaced" || v.State == "withdrawn" {
		return nil, fmt.Errorf("the version %s is not asked about any more: %w", v.ID, ErrState)
	}
	err = s.inTx(ctx, "agreeing to a version of the policy", func(t *tx) error {
		held, err := t.lockKeys(ctx, []consent.Key{l.Address})
		if err != nil {
			return err
		}
		one := held[l.Address]
		if one.state.Erased != 0 || one.subject == "" {
			return nil
		}
		scopes = one.state.Agreeable()
		acts, err := t.agreeing(l.Address, one.state, v, c, scopes)
		if err != nil {
			return err
		}
		_, err = t.record(ctx, held, acts)
		return err
	})
	return scopes, err
}

// agreeing makes the acts of those yeses that were not said under this version
// already: a second click changes nothing.
func (t *tx) agreeing(key consent.Key, state consent.State, v Version, c Click, scopes []consent.Scope) (acts []act, err error) {
	evidence, err := json.Marshal(map[string]any{"text": c.Wording, "agreed_to": v.ID, "policy_sha256": hex.EncodeToString(v.Hash), "confirmed_from_network": c.Network})
	if err != nil {
		return nil, err
	}
	for _, scope := range scopes {
		mark := marksOf(state)[scope]
		if mark.Policy == v.ID {
			continue
		}
		at := c.Received.UTC()
		if c.Received.IsZero() {
			at = t.now
		}
		if !mark.Time().Before(at) {
			at = mark.Time().Add(time.Microsecond)
		}
		acts = append(acts, act{key: key, scope: scope, choice: consent.In, received: at, via: consent.ViaConfirmed, source: mark.Source,
			authenticated: true, evidence: string(evidence), policy: v.ID})
	}
	return acts, nil
}
