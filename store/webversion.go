package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"heed/consent"
)

// WebLink seals the link to the web version of a campaign. It is the same for
// all its readers, and cannot be guessed from that of another campaign.
func (s *Store) WebLink(c Campaign) string {
	return s.keys.Links.Seal(consent.Link{Purpose: consent.PurposeWeb, Scope: uint16(c.ID)})
}

// WebCampaign finds the campaign that such a link names: marketing that has
// begun to go out.
func (s *Store) WebCampaign(ctx context.Context, l consent.Link) (Campaign, error) {
	c, err := scanCampaign(s.read.QueryRowContext(ctx, `SELECT `+campaignColumns+` FROM campaign WHERE id % 65536 = $1
		AND class IN ('newsletter', 'partner_offer') AND started IS NOT NULL ORDER BY id DESC LIMIT 1`, int(l.Scope)))
	if errors.Is(err, sql.ErrNoRows) {
		return c, ErrNotFound
	}
	if err != nil {
		return c, fmt.Errorf("looking for a campaign to show: %w", err)
	}
	return c, nil
}
