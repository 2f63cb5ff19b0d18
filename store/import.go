package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"heed/consent"
)

// importChunk stores one chunk of checked rows.
func (t *tx) importChunk(ctx context.Context, chunk []incoming, source string) (Imported, error) {
	var counted Imported
	keys := make([]consent.Key, len(chunk))
	for i, one := range chunk {
		keys[i] = one.key
	}
	held, err := t.lockKeys(ctx, keys)
	if err != nil {
		return counted, err
	}
	var acts []act
	for _, one := range chunk {
		said, refused := firstYeses(held[one.key].state, one, source)
		if held[one.key].state.Erased != 0 {
			counted.KeptOut++ // an erased person is not stored again by anybody but themselves
			continue
		}
		change, err := t.upsert(ctx, one, held[one.key])
		if err != nil {
			return counted, err
		}
		acts = append(acts, said...)
		count(&counted, change, len(said) > 0, refused)
	}
	for len(acts) > 0 { // no transaction part appends more than 500 rows at a time
		n := min(len(acts), 500)
		if _, err := t.record(ctx, held, acts[:n]); err != nil {
			return counted, err
		}
		acts = acts[n:]
	}
	return counted, nil
}

func count(c *Imported, change change, said, refused bool) {
	switch {
	case refused:
		c.KeptOut++
	case change == added:
		c.Added++
	case change == updated || said:
		c.Updated++
	default:
		c.Unchanged++
	}
}

// firstYeses gives the consent that a row may record: each where nothing is on
// record and the row can prove it. refused tells that a no on record stands
// against the row.
func firstYeses(state consent.State, one incoming, source string) (said []act, refused bool) {
	refused = state.Suppressed != 0 || state.Erased != 0
	proven := !one.ConsentAt.IsZero() && one.ConsentSource != "" && one.ConsentText != ""
	evidence, _ := json.Marshal(map[string]string{"text": one.ConsentText, "import": source})
	for scope, mark := range wanted(state, one) {
		if mark.Choice == consent.Out {
			refused = true
		}
		if mark.Choice != "" || refused || !proven {
			continue
		}
		said = append(said, act{key: one.key, scope: scope, choice: consent.In, received: one.ConsentAt,
			via: consent.ViaImport, source: one.ConsentSource, evidence: string(evidence)})
	}
	if refused {
		return nil, true
	}
	return said, false
}

// wanted lists the scopes that a row says yes to, with what is on record.
func wanted(state consent.State, one incoming) map[consent.Scope]consent.Mark {
	w := map[consent.Scope]consent.Mark{}
	for _, topic := range one.topics {
		mark := state.Topics[topic]
		if mark.Choice == "" && state.Marketing.Choice == consent.Out {
			mark = state.Marketing
		}
		w[consent.TopicScope(topic)] = mark
	}
	if len(one.topics) == 0 && !one.ConsentAt.IsZero() {
		w[consent.ScopeMarketing] = state.Marketing
	}
	if one.PartnerOffers {
		w[consent.ScopePartner] = state.Partner
	}
	if one.Sharing {
		w[consent.ScopeSharing] = state.Sharing
	}
	return w
}

type change int

const (
	unchanged change = iota
	added
	updated
)

// upsert stores the person's details. Empty columns leave what is stored.
func (t *tx) upsert(ctx context.Context, one incoming, who *standing) (change, error) {
	attrs, err := json.Marshal(one.Attrs)
	if err != nil {
		return unchanged, err
	}
	if len(one.Attrs) == 0 {
		attrs = []byte("{}")
	}
	done := unchanged
	var id int64
	if who.subject == "" {
		id, done, err = t.addPerson(ctx, one, who, string(attrs))
	} else {
		id, done, err = t.updatePerson(ctx, one, string(attrs))
	}
	if err != nil {
		return done, fmt.Errorf("storing a person: %w", err)
	}
	linked, err := t.linkPerson(ctx, id, one)
	if err != nil {
		return done, fmt.Errorf("storing what a person holds: %w", err)
	}
	if linked && done == unchanged {
		done = updated
	}
	return done, nil
}

func (t *tx) addPerson(ctx context.Context, one incoming, who *standing, attrs string) (int64, change, error) {
	id, err := t.take(ctx, "person", 1)
	if err != nil {
		return 0, unchanged, err
	}
	who.subject = newSubject()
	_, err = t.exec(ctx, `INSERT INTO person (id, subject, address, email, first_name, last_name, company, language, time_zone, attrs, created, updated)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $11)`, id, who.subject, one.key.String(), one.Email, one.FirstName,
		one.LastName, one.Company, one.Language, one.TimeZone, attrs, t.now.UnixMicro())
	return id, added, err
}

func (t *tx) updatePerson(ctx context.Context, one incoming, attrs string) (int64, change, error) {
	var id int64
	err := t.QueryRowContext(ctx, `UPDATE person SET
		first_name = CASE WHEN $2 = '' THEN first_name ELSE $2 END, last_name = CASE WHEN $3 = '' THEN last_name ELSE $3 END,
		company = CASE WHEN $4 = '' THEN company ELSE $4 END, language = CASE WHEN $5 = '' THEN language ELSE $5 END,
		time_zone = CASE WHEN $6 = '' THEN time_zone ELSE $6 END, attrs = CASE WHEN $7 = '{}' THEN attrs ELSE $7 END, updated = $8
		WHERE address = $1 AND (($2 <> '' AND first_name <> $2) OR ($3 <> '' AND last_name <> $3) OR ($4 <> '' AND company <> $4)
		OR ($5 <> '' AND language <> $5) OR ($6 <> '' AND time_zone <> $6) OR ($7 <> '{}' AND attrs <> $7)) RETURNING id`,
		one.key.String(), one.FirstName, one.LastName, one.Company, one.Language, one.TimeZone, attrs, t.now.UnixMicro()).Scan(&id)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, unchanged, nil
	}
	return id, updated, err
}

// linkPerson notes external ids and services; what is already there stays.
func (t *tx) linkPerson(ctx context.Context, id int64, one incoming) (changed bool, err error) {
	if id == 0 {
		if err := t.QueryRowContext(ctx, `SELECT id FROM person WHERE address = $1`, one.key.String()).Scan(&id); err != nil {
			return false, err
		}
	}
	for _, service := range one.services {
		n, err := t.exec(ctx, `INSERT INTO holding (service, person) VALUES ($1, $2) ON CONFLICT DO NOTHING`, service, id)
		if err != nil {
			return false, err
		}
		changed = changed || n > 0
	}
	if one.ExternalID == "" {
		return changed, nil
	}
	n, err := t.exec(ctx, `INSERT INTO external_id (id, person) VALUES ($1, $2) ON CONFLICT DO NOTHING`, one.ExternalID, id)
	return changed || n > 0, err
}
