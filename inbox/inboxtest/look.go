package inboxtest

import (
	"errors"
	"fmt"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
)

// Messages gives the raw mails of a folder, read as any mail program would; a
// folder that does not exist has none.
func (s *Server) Messages(user, folder string) ([][]byte, error) {
	var all [][]byte
	err := s.with(user, folder, func(c *imapclient.Client, count uint32) error {
		if count == 0 {
			return nil
		}
		section := &imap.FetchItemBodySection{Peek: true}
		found, err := c.Fetch(imap.SeqSet{{Start: 1, Stop: count}}, &imap.FetchOptions{
			BodySection: []*imap.FetchItemBodySection{section}}).Collect()
		for _, m := range found {
			all = append(all, m.FindBodySection(section))
		}
		return err
	})
	return all, err
}

// Count gives the number of mails in a folder.
func (s *Server) Count(user, folder string) (int, error) {
	n := 0
	err := s.with(user, folder, func(_ *imapclient.Client, count uint32) error {
		n = int(count)
		return nil
	})
	return n, err
}

// with opens a folder read-only and calls look with the number of its mails.
func (s *Server) with(user, folder string, look func(c *imapclient.Client, count uint32) error) error {
	c, err := imapclient.DialInsecure(s.Addr(), nil)
	if err != nil {
		return fmt.Errorf("reaching the IMAP server of the test: %w", err)
	}
	defer c.Close()
	if err := c.Login(user, s.words[user]).Wait(); err != nil {
		return fmt.Errorf("logging in as %s: %w", user, err)
	}
	data, err := c.Select(folder, &imap.SelectOptions{ReadOnly: true}).Wait()
	if refusal := (*imap.Error)(nil); errors.As(err, &refusal) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("opening %s of %s: %w", folder, user, err)
	}
	return look(c, data.NumMessages)
}
