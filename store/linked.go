package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"

	"heed/consent"
)

// tied gives keys with all others that changes of address tie to them, over any
// number of changes. A no on one of them is a no on all.
func (t *tx) tied(ctx context.Context, keys []consent.Key) ([]consent.Key, error) {
	var one int
	err := t.QueryRowContext(ctx, `SELECT 1 FROM address_link LIMIT 1`).Scan(&one)
	if errors.Is(err, sql.ErrNoRows) {
		return slices.Clone(keys), nil
	}
	if err != nil {
		return nil, fmt.Errorf("looking for changes of address: %w", err)
	}
	seen := map[consent.Key]bool{}
	unseen := func(keys []consent.Key) (fresh []consent.Key) {
		for _, k := range keys {
			if !seen[k] {
				seen[k], fresh = true, append(fresh, k)
			}
		}
		return fresh
	}
	var all []consent.Key
	for fresh := unseen(keys); len(fresh) > 0; {
		all = append(all, fresh...)
		next, err := t.neighbours(ctx, fresh)
		if err != nil {
			return nil, err
		}
		fresh = unseen(next)
	}
	return all, nil
}

// linked gives every address key of the person behind one: theirs, and those of
// their other addresses under which nobody else is stored by now.
func (t *tx) linked(ctx context.Context, key consent.Key) ([]consent.Key, error) {
	all, err := t.tied(ctx, []consent.Key{key})
	if err != nil {
		return nil, err
	}
	own := []consent.Key{key}
	for _, one := range all {
		_, other, err := t.personByKey(ctx, one)
		if err != nil {
			return nil, err
		}
		if one != key && !other {
			own = append(own, one)
		}
	}
	return own, nil
}

// current gives the key under which the holder of an address is stored now, if
// they have left that address for another: the letters about what they ask go
// there. Otherwise it is the key itself.
func (t *tx) current(ctx context.Context, key consent.Key) (consent.Key, error) {
	all, err := t.tied(ctx, []consent.Key{key})
	if err != nil || len(all) == 1 {
		return key, err
	}
	found := key
	for _, one := range all {
		_, stored, err := t.personByKey(ctx, one)
		if err != nil || stored && one == key {
			return key, err
		}
		if stored {
			found = one
		}
	}
	return found, nil
}

// neighbours are the keys one change of address away.
func (t *tx) neighbours(ctx context.Context, keys []consent.Key) ([]consent.Key, error) {
	var near []consent.Key
	for _, query := range []string{`SELECT new FROM address_link WHERE old IN (`, `SELECT old FROM address_link WHERE new IN (`} {
		found, err := t.QueryContext(ctx, query+list(len(keys), 1)+`)`, keyArgs(keys)...)
		if err != nil {
			return nil, fmt.Errorf("looking for changes of address: %w", err)
		}
		some, err := gather(found, scanKey)
		if err != nil {
			return nil, err
		}
		near = append(near, some...)
	}
	return near, nil
}

func scanKey(row scanner) (consent.Key, error) {
	var text string
	if err := row.Scan(&text); err != nil {
		return consent.Key{}, err
	}
	return consent.ParseKey(text)
}
