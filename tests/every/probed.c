// A program with a function to probe, built with each kind of linking and layout.
__attribute__((noinline)) int eunomia_probed(int number)
{
    asm volatile("" : "+r"(number));
    return number + 6;
}

int main(int argc, char **argv)
{
    return eunomia_probed(argc);
}
