package inbox

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/emersion/go-imap/v2"

	"heed/store"
)

// removeErased deletes the mails of people who were erased, in whatever folder
// of the account they lie now. A mail is known by its bytes: UIDs change when
// somebody moves it, Message-IDs can be anybody's.
func (v *visits) removeErased(ctx context.Context, c *connection) error {
	due, err := v.Store.Removals(ctx, v.name)
	if err != nil || len(due) == 0 {
		return err
	}
	folders, err := c.folders()
	if err != nil {
		return err
	}
	gone := map[int64]int{} // how many copies of each were deleted
	for _, exact := range []bool{true, false} {
		left := slices.DeleteFunc(slices.Clone(due), func(r store.Removal) bool { return gone[r.Inbound] > 0 })
		for _, folder := range folders {
			if err := v.removeFrom(ctx, c, folder, left, exact, gone); err != nil {
				return err
			}
		}
	}
	for _, one := range due {
		if err := v.removed(ctx, one, gone[one.Inbound]); err != nil {
			return err
		}
	}
	return c.watched(commandTime, "opening "+c.folder, c.choose)
}

func (v *visits) removed(ctx context.Context, r store.Removal, copies int) error {
	if copies == 0 {
		v.log().Warn("mail_not_found", "role", v.Mailbox.Role, "mail", r.Inbound)
	} else {
		v.log().Info("mail_removed", "role", v.Mailbox.Role, "mail", r.Inbound, "copies", copies)
	}
	return v.Store.Removed(ctx, r, copies == 0)
}

// folders lists those that can be opened.
func (c *connection) folders() (names []string, err error) {
	err = c.watched(commandTime, "listing the folders", func() error {
		found, err := c.client.List("", "*", nil).Collect()
		for _, one := range found {
			if !slices.Contains(one.Attrs, imap.MailboxAttrNoSelect) && !slices.Contains(one.Attrs, imap.MailboxAttrNonExistent) {
				names = append(names, one.Mailbox)
			}
		}
		return err
	})
	return names, err
}

// removeFrom looks through one folder, also where a copy was found elsewhere: a
// server without MOVE leaves two. Moving a mail keeps its INTERNALDATE (RFC 3501
// §6.4.7), so that the exact date comes first; where no folder has it, whatever
// lies near is read.
func (v *visits) removeFrom(ctx context.Context, c *connection, folder string, due []store.Removal, exact bool, gone map[int64]int) error {
	if len(due) == 0 {
		return nil
	}
	err := c.watched(commandTime, "opening a folder", func() error {
		_, err := c.client.Select(folder, nil).Wait()
		return err
	})
	if refusal := (*imap.Error)(nil); errors.As(err, &refusal) {
		return nil // one that is listed and may not be opened
	}
	for _, one := range due {
		if err != nil {
			return err
		}
		var copies int
		copies, err = v.removeOne(c, one, exact)
		gone[one.Inbound] += copies
	}
	return errors.Join(err, v.lease(ctx))
}

// nearby is how far from its date a mail is looked for: SEARCH knows days, in
// the server's time zone.
const nearby = 48 * time.Hour

func (v *visits) removeOne(c *connection, r store.Removal, exact bool) (copies int, err error) {
	var uids []imap.UID
	err = c.watched(commandTime, "looking for a mail", func() error {
		data, err := c.client.UIDSearch(&imap.SearchCriteria{Since: r.Received.Add(-nearby), Before: r.Received.Add(nearby)}, nil).Wait()
		if err == nil {
			uids = data.AllUIDs()
		}
		return err
	})
	for err == nil && len(uids) > 0 {
		n := min(len(uids), portion)
		var found []envelope
		if found, err = c.envelopes(uids[:n]); err != nil {
			return copies, err
		}
		for _, e := range found {
			if near := e.arrived.Sub(r.Received).Abs() <= time.Second; near != exact {
				continue
			}
			is, err := v.removeIf(c, e, r)
			if err != nil {
				return copies, err
			}
			if is {
				copies++
			}
		}
		uids = uids[n:]
	}
	return copies, err
}

// removeIf deletes a mail if it has the bytes that are looked for.
func (v *visits) removeIf(c *connection, e envelope, r store.Removal) (bool, error) {
	raws, err := c.fetch([]envelope{e})
	if raw := raws[e.uid]; err != nil || raw == nil || digest(raw, e.size) != r.Digest {
		return false, err
	}
	return true, c.remove(e.uid)
}

// remove deletes one mail and no other (RFC 4315 §2.1). Where the server only
// knows EXPUNGE, what other programs have marked is unmarked for that moment.
func (c *connection) remove(uid imap.UID) error {
	set := imap.UIDSetNum(uid)
	if c.caps.Has(imap.CapUIDPlus) || c.caps.Has(imap.CapIMAP4rev2) {
		if err := c.flag(set, imap.StoreFlagsAdd); err != nil {
			return err
		}
		return c.watched(commandTime, "removing a mail", func() error { return c.client.UIDExpunge(set).Close() })
	}
	var marked []imap.UID
	err := c.watched(commandTime, "looking for deleted mail", func() error {
		data, err := c.client.UIDSearch(&imap.SearchCriteria{Flag: []imap.Flag{imap.FlagDeleted}}, nil).Wait()
		if err == nil {
			marked = data.AllUIDs()
		}
		return err
	})
	marked = slices.DeleteFunc(marked, func(other imap.UID) bool { return other == uid })
	others := imap.UIDSetNum(marked...)
	if err == nil && len(marked) > 0 {
		err = c.flag(others, imap.StoreFlagsDel)
	}
	if err == nil {
		err = c.flag(set, imap.StoreFlagsAdd)
	}
	if err == nil {
		err = c.watched(commandTime, "removing a mail", func() error { return c.client.Expunge().Close() })
	}
	if len(marked) > 0 {
		err = errors.Join(err, c.flag(others, imap.StoreFlagsAdd))
	}
	return err
}

func (c *connection) flag(set imap.UIDSet, op imap.StoreFlagsOp) error {
	err := c.watched(commandTime, "marking a mail", func() error {
		return c.client.Store(set, &imap.StoreFlags{Op: op, Silent: true, Flags: []imap.Flag{imap.FlagDeleted}}, nil).Close()
	})
	if err != nil {
		return fmt.Errorf("the mail stays until the next look: %w", err)
	}
	return nil
}
