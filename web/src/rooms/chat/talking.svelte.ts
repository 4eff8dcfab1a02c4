// Whether the person is talking with the model instead of typing; it goes on when a new conversation gets its address.
class Talking {
  open = $state(false);
}

export const talking = new Talking();
