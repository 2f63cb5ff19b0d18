package store

import (
	"context"
	"encoding/json"
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
	changes, err := t.upsertAll(ctx, chunk, held)
	if err != nil {
		return counted, err
	}
	var acts []act
	for i, one := range chunk {
		if changes[i] == barred {
			counted.KeptOut++ // an erased person is not stored again by anybody but themselves
			continue
		}
		said, refused := firstYeses(held[one.key].state, one, source)
		acts = append(acts, said...)
		count(&counted, changes[i], len(said) > 0, refused)
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
	barred // nothing stored: the person was erased
)

// upsertAll stores the details of a chunk: whoever is new in a few large
// statements, whoever is known one by one.
func (t *tx) upsertAll(ctx context.Context, chunk []incoming, held map[consent.Key]*standing) ([]change, error) {
	changes := make([]change, len(chunk))
	var fresh []incoming
	newSubject := newSubjects()
	for i, one := range chunk {
		switch who := held[one.key]; {
		case who.state.Erased != 0:
			changes[i] = barred
		case who.subject == "":
			changes[i] = added
			who.subject = newSubject()
			fresh = append(fresh, one)
		default:
			done, err := t.update(ctx, one)
			if err != nil {
				return nil, fmt.Errorf("storing a person: %w", err)
			}
			changes[i] = done
		}
	}
	return changes, t.addPeople(ctx, fresh, held)
}

func (t *tx) addPeople(ctx context.Context, fresh []incoming, held map[consent.Key]*standing) error {
	if len(fresh) == 0 {
		return nil
	}
	id, err := t.take(ctx, "person", len(fresh))
	if err != nil {
		return err
	}
	shapes, err := t.shapesOf(ctx, fresh)
	if err != nil {
		return err
	}
	var people, holdings, ids []any
	now := t.now.UnixMicro()
	for i, one := range fresh {
		people = append(people, id, held[one.key].subject, one.key.String(), one.Email, one.FirstName, one.LastName, one.Company,
			one.Language, one.TimeZone, attrText(one.Attrs), shapes[i], now, now)
		for _, service := range one.services {
			holdings = append(holdings, service, id)
		}
		if one.ExternalID != "" {
			ids = append(ids, one.ExternalID, id)
		}
		id++
	}
	if _, err := t.exec(ctx, `INSERT INTO person (id, subject, address, email, first_name, last_name, company, language, time_zone, attrs, shape, created, updated)
		VALUES `+rows(len(fresh), 13, 1), people...); err != nil {
		return fmt.Errorf("storing people: %w", err)
	}
	if _, err = t.linkPeople(ctx, holdings, ids); err != nil {
		return err
	}
	return t.barTransferred(ctx, fresh, held)
}

// linkPeople notes services and external ids; what is already there stays.
func (t *tx) linkPeople(ctx context.Context, holdings, ids []any) (changed bool, err error) {
	for _, one := range []struct {
		into   string
		values []any
	}{{`holding (service, person)`, holdings}, {`external_id (id, person)`, ids}} {
		if len(one.values) == 0 {
			continue
		}
		n, err := t.exec(ctx, `INSERT INTO `+one.into+` VALUES `+rows(len(one.values)/2, 2, 1)+` ON CONFLICT DO NOTHING`, one.values...)
		if err != nil {
			return false, fmt.Errorf("storing what people hold: %w", err)
		}
		changed = changed || n > 0
	}
	return changed, nil
}

func attrText(attrs map[string]string) string {
	if len(attrs) == 0 {
		return "{}"
	}
	text, _ := json.Marshal(attrs) // strings always can be written
	return string(text)
}

// update stores the details of somebody known. Empty columns leave what is
// stored.
func (t *tx) update(ctx context.Context, one incoming) (change, error) {
	result, err := t.exec(ctx, `UPDATE person SET
		first_name = CASE WHEN $2 = '' THEN first_name ELSE $2 END, last_name = CASE WHEN $3 = '' THEN last_name ELSE $3 END,
		company = CASE WHEN $4 = '' THEN company ELSE $4 END, language = CASE WHEN $5 = '' THEN language ELSE $5 END,
		time_zone = CASE WHEN $6 = '' THEN time_zone ELSE $6 END, attrs = CASE WHEN $7 = '{}' THEN attrs ELSE $7 END, updated = $8
		WHERE address = $1 AND (($2 <> '' AND first_name <> $2) OR ($3 <> '' AND last_name <> $3) OR ($4 <> '' AND company <> $4)
		OR ($5 <> '' AND language <> $5) OR ($6 <> '' AND time_zone <> $6) OR ($7 <> '{}' AND attrs <> $7))`,
		one.key.String(), one.FirstName, one.LastName, one.Company, one.Language, one.TimeZone, attrText(one.Attrs), t.now.UnixMicro())
	if err != nil {
		return unchanged, err
	}
	if result > 0 {
		if err := t.reshape(ctx, one.key.String()); err != nil {
			return unchanged, err
		}
	}
	linked, err := t.linkKnown(ctx, one)
	if err != nil || result == 0 && !linked {
		return unchanged, err
	}
	return updated, nil
}

func (t *tx) linkKnown(ctx context.Context, one incoming) (bool, error) {
	if len(one.services) == 0 && one.ExternalID == "" {
		return false, nil
	}
	var id int64
	if err := t.QueryRowContext(ctx, `SELECT id FROM person WHERE address = $1`, one.key.String()).Scan(&id); err != nil {
		return false, err
	}
	var holdings, ids []any
	for _, service := range one.services {
		holdings = append(holdings, service, id)
	}
	if one.ExternalID != "" {
		ids = append(ids, one.ExternalID, id)
	}
	return t.linkPeople(ctx, holdings, ids)
}
