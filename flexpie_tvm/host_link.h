// SPDX-License-Identifier: Apache-2.0
/*!
 * \file host_link.h
 * \brief The way of the inputs from the host to a board and of the answers back.
 *
 * TVM's RPC handles an array byte by byte at both ends, which on a fast link takes longer than the
 * wire. So the bytes come over a connection of their own, straight into the tensors of the compiled
 * module and out of them; RPC says only when to run.
 *
 *  inputs   what one inference takes, in an order that both ends know; nothing but their bytes is
 * sent outputs  what it gives, likewise frame    one inference of a stream: the host sends the next
 * one while the board computes this one, and fetches the one before; so its inputs and outputs are
 * held apart from the tensors of the module (staged), in memory that is allocated once greeting 20
 * bytes that the host says first: the token, the version of the protocol header   16 bytes before
 * every inputs and outputs: magic, kind, length of what follows trailer  4 bytes after them: the
 * checksum of header and bytes (crc32c.h)
 *
 * Two threads move bytes, so that neither end ever waits for the other one to read: the host may
 * send before it asks for the run, and fetch after it.
 */
#ifndef FLEXPIE_TVM_HOST_LINK_H_
#define FLEXPIE_TVM_HOST_LINK_H_

#include <array>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "condition.h"
#include "error.h"
#include "link.h"
#include "socket.h"
#include "wire.h"

namespace flexpie {

class HostLink {
 public:
  /*!
   * \brief Listens at a free port.
   * \param rank the board's, for errors.
   * \param address where the host reaches this board.
   * \param token what the host will say first.
   * \param tls what encrypts it; null leaves it plain.
   * \param deadline_ms how long the host may make no progress.
   */
  HostLink(int rank, const std::string& address, const Token& token, std::shared_ptr<const Tls> tls,
           int deadline_ms);
  ~HostLink() { Close(); }

  int port() const { return port_; }

  /*! \brief What is received and sent; the memory must outlive the link. Before Accept. */
  void SetInputs(std::vector<iovec> inputs) { inputs_ = std::move(inputs); }
  void SetOutputs(std::vector<iovec> outputs) { outputs_ = std::move(outputs); }

  /*! \brief Waits for the host, which has connected, and starts to receive. */
  void Accept();

  /*! \brief Waits until the inputs of the next inference are there. */
  void Take();

  /*! \brief Lets the outputs go. */
  void Give();

  /*!
   * \brief Waits for the next frame of a stream, as long as the host lives, and puts its inputs in
   * place.
   * \return false if the host ended the stream.
   */
  bool TakeFrame();

  /*! \brief Lets a frame's outputs go; returns when the next frame may overwrite them. */
  void GiveFrame();

  /*! \brief Ends the connection and both threads; any number of times. */
  void Close();

 private:
  using Move = IoResult (Link::*)(const iovec* parts, int count) const;
  using HostHeader = std::array<uint8_t, 16>;
  enum class Kind : uint32_t { kInputs = 1, kFrame = 2, kEnd = 3, kOutputs = 4 };

  /*! \brief Memory of the shapes of some tensors, beside them. */
  struct Staging {
    explicit Staging(const std::vector<iovec>& tensors);
    std::vector<std::vector<char>> memory;
    std::vector<iovec> parts;
  };

  [[noreturn]] void ThrowVersion(uint32_t version) const;
  void Receive();
  void Send();
  /*! \brief Moves all of it; false if the link ended. */
  bool MoveAll(Move move, short event, std::vector<iovec> parts);
  bool ReadHeader(HostHeader* header, Kind* kind);
  /*! \brief Receives inputs and the checksum of header and inputs; false if the link ended. */
  bool ReadBody(const HostHeader& header, const std::vector<iovec>& parts);
  void EndLocked(ErrorKind kind, const std::string& why);
  void CheckUsableLocked() const;
  ErrorPlace At() const;

  const int rank_;
  const Token token_;
  const std::shared_ptr<const Tls> tls_;
  const int64_t deadline_ns_;
  int port_ = 0;
  Fd listener_;
  Link host_;
  std::vector<iovec> inputs_;
  std::vector<iovec> outputs_;
  std::unique_ptr<Staging> frame_;   // the receiver's and TakeFrame's, in turns
  std::unique_ptr<Staging> answer_;  // the sender's and GiveFrame's, in turns
  std::thread receiver_;
  std::thread sender_;

  std::mutex mutex_;  // guards what follows
  Condition changed_;
  bool arrived_ = false;  // inputs, in their tensors
  bool staged_ = false;   // a frame, in its staging
  bool no_more_ = false;  // frames
  bool giving_ = false;
  bool giving_frame_ = false;
  bool ended_ = false;
  std::string why_;  // it ended
  ErrorKind kind_ = ErrorKind::kFailed;
  int64_t moved_ = 0;  // bytes; tells progress
};

}  // namespace flexpie

#endif  // FLEXPIE_TVM_HOST_LINK_H_
